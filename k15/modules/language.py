"""Pretraining and SFT: next-token prediction on the responses of demonstrations (k1.5 §2.5)."""

from __future__ import annotations

import math
from typing import Any, Literal, get_args

from torch import Tensor, nn

from k15.losses.language import cross_entropy
from k15.models.batching import collate, preferred_layout
from k15.models.logps import response_logps
from k15.models.policy import Policy
from k15.modules.base import PolicyModule
from k15.types import Example

Part = Literal["all", "vision"]


class LanguageModule(PolicyModule):
    """Cross-entropy on response tokens; a cosine schedule with warm-up over the epoch.

    `train="vision"` freezes the language model: the tower learns alone (k1.5 §2.5, vision stage).
    """

    def __init__(
        self,
        policy: Policy,
        *,
        learning_rate: float,
        warmup: float = 0.05,
        train: Part = "all",
        weight_decay: float = 0.01,
        betas: tuple[float, float] = (0.9, 0.95),
    ) -> None:
        super().__init__(
            policy, learning_rate=learning_rate, betas=betas, weight_decay=weight_decay
        )
        if train not in get_args(Part):
            raise ValueError(f"module.train={train!r}: choose {' or '.join(get_args(Part))}")
        self.warmup = warmup
        freeze_language(policy.model, frozen=train == "vision")

    def training_step(self, examples: list[Example], batch_index: int) -> Tensor:
        """Mean cross-entropy per response token."""
        loss = self.loss(examples)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(examples))
        return loss

    def validation_step(self, examples: list[Example], batch_index: int) -> None:
        """The same on demonstrations that were not trained on."""
        self.log("val/loss", self.loss(examples), prog_bar=True, batch_size=len(examples))

    def loss(self, examples: list[Example]) -> Tensor:
        """Cross-entropy in nats per response token."""
        batch = collate(self.policy, examples, preferred_layout(self.policy))
        logp_BT = response_logps(self.policy, batch)
        loss, _ = cross_entropy(logp_BT, batch.mask, tokens=float(batch.mask.sum()))
        return loss

    def configure_optimizers(self) -> Any:
        """AdamW under a cosine schedule, one step per batch."""
        from torch.optim.lr_scheduler import LambdaLR

        optimizer = super().configure_optimizers()
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = LambdaLR(optimizer, lambda step: cosine(step, steps, self.warmup))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def cosine(step: int, steps: int, warmup: float) -> float:
    """Share of the peak learning rate: linear warm-up over `warmup` of the steps, then a cosine to
    0.
    """
    rising = max(1, round(warmup * steps))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(1, steps - rising))))


def freeze_language(model: nn.Module, frozen: bool) -> None:
    """Freeze everything but the vision tower; raises ValueError if the model has none."""
    visual = [name for name, _ in model.named_parameters() if ".visual." in f".{name}"]
    if frozen and not visual:
        raise ValueError(
            f"module.train=vision: {type(model).__name__} has no vision tower; use "
            "task.modality=image"
        )
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not frozen or ".visual." in f".{name}")
