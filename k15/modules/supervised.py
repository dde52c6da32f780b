"""Learning from what is given: one optimizer step on the mean over all terms of its batches.

    batch ─► terms (Σ loss, how many) ─► backward        as many as trainer.accumulate_grad_batches
                                            │
    gradient ÷ terms of all batches and ranks ◄─┘─► norm, clip ─► step ─► schedule

So neither gradient nor figures depend on how a step's examples are cut into batches.
"""

from __future__ import annotations

import time
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from k15.config.errors import ConfigError
from k15.learning_rates import Rate, Trained
from k15.losses.terms import Terms
from k15.models.policy import Policy
from k15.modules.base import PolicyModule
from k15.modules.optimizers import MakeOptimizer, adamw
from k15.modules.out_of_memory import told_what_to_lower
from k15.modules.tallies import Tallies
from k15.schedules import LearningRateSchedule, Schedule
from k15.sharding.norms import clip, gradient_norm
from k15.types import Share

COSINE = Schedule()
SIZES = ("datamodule.tokens_per_batch", "tokens_per_chunk")
"""Settings that decide how much memory a batch takes."""


class SupervisedModule(PolicyModule):
    """Steps under a schedule of the learning rate; a subclass says what a batch's `terms` are.

    `warmup` is the share of the steps in which the learning rate rises, `schedule` how it goes on
    (`k15.schedules`). `train`, `optimizer` and what follows are `PolicyModule`'s. Logged at each
    step:
    `train/loss` and the terms' metrics, `train/gradient_norm` before clipping,
    `train/learning_rate`, `train/tokens` seen so far, and `train/tokens_per_second` of training,
    validation left out. Tokens are all that the model reads, padding left out.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        learning_rate: Rate,
        warmup: float = 0.05,
        schedule: LearningRateSchedule = COSINE,
        train: Trained = "all",
        optimizer: MakeOptimizer = adamw,
        weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.95),
    ) -> None:
        super().__init__(
            policy,
            learning_rate=learning_rate,
            train=train,
            optimizer=optimizer,
            betas=betas,
            weight_decay=weight_decay,
        )
        self.warmup, self.schedule = warmup, schedule
        self.tokens_seen = 0.0
        self.held_out = Tallies()
        self._sums = StepSums()
        self._since = self._seconds = 0.0

    def terms(self, batch: Any) -> tuple[Terms, int]:
        """What a batch adds to the loss, and how many tokens the model reads for it."""
        raise NotImplementedError

    def terms_of_share(self, batch: Any) -> tuple[Terms, int]:
        """The same, of a rank's share: nothing where it is there for the others' sake."""
        terms, tokens = self.terms(batch)
        silent = isinstance(batch, Share) and batch.silent
        return (terms.silent(), 0) if silent else (terms, tokens)

    def training_step(self, batch: Any, batch_index: int) -> Tensor:
        """The batch's share of the loss, in units of the step's first batch: how many terms the
        step has is not known before its last one.
        """
        with told_what_to_lower(*SIZES):
            terms, tokens = self.terms_of_share(batch)
        if not self._sums.batches:
            self._sums.unit = max(1.0, self.across_ranks({"terms": terms.count})["terms"])
        self._sums.add(terms, tokens)
        return terms.loss * (self.trainer.accumulate_grad_batches / self._sums.unit)

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """As everywhere; too little memory is told with what takes less."""
        with told_what_to_lower(*SIZES):
            super().backward(loss, *args, **kwargs)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """The gathered gradient becomes the one of the mean over all terms."""
        self.add_up_gradients()
        sums, self._sums = self._sums, StepSums()
        totals = self.across_ranks({**sums.values(), "terms": sums.terms, "tokens": sums.tokens})
        tokens, terms = totals.pop("tokens"), max(1.0, totals.pop("terms"))
        gradients = [p.grad for p in self.trained_parameters() if p.grad is not None]
        if sums.unit != terms:
            for gradient in gradients:
                gradient.mul_(sums.unit / terms)
        figures = {name: total / terms for name, total in totals.items()}
        figures["gradient_norm"] = float(gradient_norm(self.trained_parameters()))
        figures["learning_rate"] = optimizer.param_groups[0]["lr"]
        self.log_step(figures, tokens)

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """By the norm over all ranks; raises ConfigError for another algorithm."""
        if gradient_clip_algorithm not in (None, "norm"):
            raise ConfigError(f"trainer.gradient_clip_algorithm={gradient_clip_algorithm}: norm")
        if gradient_clip_val:
            clip(self.trained_parameters(), gradient_clip_val)

    def log_step(self, figures: dict[str, float], tokens: float) -> None:
        """Under `train/`, with the tokens seen and the speed."""
        now = time.perf_counter()
        seconds, self._seconds, self._since = self._seconds + now - self._since, 0.0, now
        self.tokens_seen += tokens
        figures["tokens"] = self.tokens_seen
        figures["tokens_per_second"] = tokens / max(seconds, 1e-9)
        self.log("train/loss", figures.pop("loss"), prog_bar=True, batch_size=1)
        self.log_dict({f"train/{name}": value for name, value in figures.items()}, batch_size=1)

    def validation_step(self, batch: Any, batch_index: int, dataloader_idx: int = 0) -> None:
        """The means over the terms of the whole validation set, however it is cut."""
        terms, _ = self.terms_of_share(batch)
        self.held_out.add_terms(terms, getattr(batch, "source", ""))

    def on_validation_epoch_end(self) -> None:
        """They are logged."""
        for name, mean in self.held_out.means(self.shard).items():
            self.log(f"val/{name}", mean, prog_bar=name == "loss", batch_size=1)

    def configure_optimizers(self) -> Any:
        """The optimizer under the schedule."""
        optimizer = super().configure_optimizers()
        steps = int(self.trainer.estimated_stepping_batches)
        rates = LambdaLR(optimizer, lambda step: self.schedule(step, steps, self.warmup))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": rates, "interval": "step"}}

    def on_train_batch_start(self, batch: Any, batch_index: int) -> None:
        """The clock runs."""
        super().on_train_batch_start(batch, batch_index)
        self._since = time.perf_counter()
        self.last_of_step(not self.trainer.fit_loop._should_accumulate())

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_index: int) -> None:
        """It stands still while others are at work."""
        self._seconds += time.perf_counter() - self._since

    def on_train_start(self) -> None:
        """A step begins."""
        super().on_train_start()
        self._sums, self._seconds = StepSums(), 0.0

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember the tokens seen, too."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["tokens_seen"] = self.tokens_seen

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Count on from there."""
        super().on_load_checkpoint(checkpoint)
        self.tokens_seen = checkpoint["tokens_seen"]


class StepSums:
    """What the batches of an optimizer step add up to on this rank."""

    def __init__(self) -> None:
        self.batches = 0
        self.unit = 1.0
        """Terms of the first batch over all ranks: what each loss is divided by."""
        self.terms = 0
        self.tokens = 0
        self._sums: dict[str, Tensor] = {}

    def add(self, terms: Terms, tokens: int) -> None:
        """One more batch."""
        self.batches += 1
        self.terms += terms.count
        self.tokens += tokens
        for name, total in {"loss": terms.loss.detach(), **terms.metrics}.items():
            self._sums[name] = self._sums.get(name, 0.0) + total.double()

    def values(self) -> dict[str, float]:
        """The sums of `loss` and metrics."""
        return {name: float(total) for name, total in self._sums.items()}
