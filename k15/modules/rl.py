"""RL by online mirror descent: one training step is one iteration of k1.5 (§2.3.2, §2.6).

    Experience ─► groups that carry a signal ─► advantages ─► minibatches of whole groups
                                                                   │ for each
                  π_i log-probs (reference) ─► loss over micro-batches ─► clip ─► optimizer step

Legend: P problems, G samples per problem, B sequences of a micro-batch, T response tokens.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from k15.losses.policy_loss import LossInputs, PolicyLoss
from k15.models.batching import micro_batches, preferred_layout
from k15.models.logps import response_logps
from k15.models.policy import Policy
from k15.modules.base import PolicyModule
from k15.progress import phase
from k15.sizes import Sizes
from k15.types import Example, Experience, PackedBatch, Rollout, RolloutGroup


@dataclass(slots=True, kw_only=True)
class MicroBatch:
    """Sequences that go through the model together."""

    batch: PackedBatch
    advantage_BT: Tensor
    """[B, 1]"""
    engine_logp_BT: Tensor
    """What the engine reported while sampling."""
    reference_logp_BT: Tensor | None = None
    """log π_i, recomputed by the trainer."""


class RLModule(PolicyModule):
    """Trains the policy on one `Experience` per epoch.

    `advantage` maps rewards [P, G] to advantages [P, G]; `loss` is one of `k15.losses`. Both are
    swapped by name; to change more, override `select_groups`, `advantages` or `loss_mask`.
    `temperature` is the one rollouts are sampled with. With `share_prompts` the samples of a
    problem go through the model behind one prompt, where its attention allows it.
    """

    automatic_optimization = False

    def __init__(
        self,
        policy: Policy,
        *,
        loss: PolicyLoss,
        advantage: Callable[[Tensor], Tensor],
        learning_rate: float,
        sizes: Sizes,
        reset_optimizer: bool = True,
        gradient_clip: float = 1.0,
        loss_on: Literal["all", "current_segment"] = "all",
        drop_zero_variance: bool = True,
        share_prompts: bool = True,
        temperature: float = 1.0,
        betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            policy, learning_rate=learning_rate, betas=betas, weight_decay=weight_decay
        )
        if loss_on not in ("all", "current_segment"):
            raise ValueError(f"module.loss_on={loss_on!r}: choose all or current_segment")
        advantage(
            torch.zeros(1, sizes.samples_per_problem)
        )  # a baseline may need more than one sample
        self.loss = loss
        self.advantage = advantage
        self.sizes = sizes
        self.reset_optimizer = reset_optimizer
        self.gradient_clip = gradient_clip
        self.loss_on = loss_on
        self.drop_zero_variance = drop_zero_variance
        self.share_prompts = share_prompts
        self.temperature = temperature

    def training_step(self, experience: Experience, batch_index: int) -> None:
        """One iteration: several optimizer steps on the experience of π_i."""
        started = time.perf_counter()
        self.model.eval()  # π_θ and π_i are the policy that sampled: without dropout
        optimizer: Any = self.optimizers()
        if self.reset_optimizer:  # each iteration is a new problem with a new reference (§2.3.2)
            optimizer.state.clear()
        groups = self.select_groups(experience)
        minibatches = self.minibatches(groups, experience.iteration)
        self.add_references(minibatches[1:])  # the first one meets π_i itself
        sums: dict[str, list[float]] = defaultdict(list)
        with phase("train", len(minibatches), " minibatches") as progress:
            for minibatch in minibatches:
                for name, value in self.minibatch_step(optimizer, minibatch).items():
                    sums[name].append(value)
                progress.update()
        means = {name: sum(values) / len(values) for name, values in sums.items()}
        self.log_iteration(experience, groups, means, time.perf_counter() - started)

    def select_groups(self, experience: Experience) -> list[RolloutGroup]:
        """Groups that carry a signal: with equal task rewards there is none to compare."""
        return [
            group
            for group in experience.groups
            if not self.drop_zero_variance or len(set(group.outcome)) > 1
        ]

    def advantages(self, groups: list[RolloutGroup]) -> Tensor:
        """[P, G] from the total rewards [P, G]."""
        return self.advantage(torch.tensor([group.reward for group in groups]))

    def loss_mask(self, rollout: Rollout, iteration: int) -> tuple[bool, ...]:
        """[T] which response tokens the loss sees (§2.6: older segments may be left out)."""
        return tuple(
            self.loss_on == "all" or segment.version == iteration
            for segment in rollout.segments
            for _ in segment.tokens
        )

    def minibatches(self, groups: list[RolloutGroup], iteration: int) -> list[list[MicroBatch]]:
        """Whole groups, spread evenly over the minibatches; each cut into micro-batches."""
        if not groups:
            return []
        advantage_PG = self.advantages(groups)
        parts = torch.arange(len(groups)).tensor_split(self.sizes.minibatches_per_iteration)
        return [
            list(self.micro_batches([groups[i] for i in part], advantage_PG[part], iteration))
            for part in parts
            if len(part)
        ]

    def micro_batches(
        self, groups: list[RolloutGroup], advantage_PG: Tensor, iteration: int
    ) -> Iterator[MicroBatch]:
        """The sequences of some groups, under the token budget."""
        rollouts = [(group, rollout) for group in groups for rollout in group.rollouts]
        examples = [
            Example(
                prompt_tokens=group.prompt_tokens,
                response_tokens=rollout.tokens,
                loss_mask=self.loss_mask(rollout, iteration),
                images=group.problem.images,
            )
            for group, rollout in rollouts
        ]
        layout = preferred_layout(self.policy, share_prompts=self.share_prompts)
        budget = self.sizes.tokens_per_microbatch
        advantage_S = advantage_PG.flatten().to(self.device)
        for chosen, batch in micro_batches(self.policy, examples, budget, layout):
            logps = [torch.tensor(rollouts[i][1].logps) for i in chosen]
            yield MicroBatch(
                batch=batch,
                advantage_BT=advantage_S[chosen, None],
                engine_logp_BT=pad_to(logps, batch.mask.shape[1]).to(self.device),
            )

    @torch.no_grad()
    def add_references(self, minibatches: list[list[MicroBatch]]) -> None:
        """log π_i of every response token, before the first optimizer step."""
        for minibatch in minibatches:
            for micro in minibatch:
                micro.reference_logp_BT = self.logps(micro)

    def minibatch_step(self, optimizer: Any, minibatch: list[MicroBatch]) -> dict[str, float]:
        """Accumulate the gradient over the micro-batches, clip it, take one step."""
        sequences = self.across_ranks(sum(len(micro.advantage_BT) for micro in minibatch))
        tokens = self.across_ranks(sum(int(micro.batch.mask.sum()) for micro in minibatch))
        tokens = max(tokens, 1.0)  # `loss_on: current_segment` may leave none
        metrics: dict[str, float] = defaultdict(float)
        optimizer.zero_grad()
        for micro in minibatch:
            logp_BT = self.logps(micro)
            reference_BT = micro.reference_logp_BT
            reference_BT = logp_BT.detach() if reference_BT is None else reference_BT
            inputs = LossInputs(
                logp_BT=logp_BT,
                reference_logp_BT=reference_BT,
                engine_logp_BT=micro.engine_logp_BT,
                advantage_BT=micro.advantage_BT,
                mask_BT=micro.batch.mask,
                sequences=sequences,
                tokens=tokens,
            )
            loss, parts = self.loss(inputs)
            self.manual_backward(loss * self.trainer.world_size)  # DDP averages over ranks
            mismatch_BT = (reference_BT - micro.engine_logp_BT).abs() * micro.batch.mask
            parts = {**parts, "loss": loss.detach(), "engine_mismatch": mismatch_BT.sum() / tokens}
            for name, value in parts.items():
                metrics[name] += float(value)
        norm = torch.nn.utils.clip_grad_norm_(self.trained_parameters(), self.gradient_clip)
        optimizer.step()
        return {**metrics, "gradient_norm": float(norm)}

    def logps(self, micro: MicroBatch) -> Tensor:
        """[B, T] log-probabilities of the response tokens under the current weights."""
        return response_logps(self.policy, micro.batch, temperature=self.temperature)

    def across_ranks(self, count: int) -> float:
        """Sum of a count over all ranks: what the loss is normalised by."""
        total = self.trainer.strategy.reduce(
            torch.tensor(float(count), device=self.device), reduce_op="sum"
        )
        return float(total)

    def log_iteration(
        self,
        experience: Experience,
        groups: list[RolloutGroup],
        means: dict[str, float],
        seconds: float,
    ) -> None:
        """Everything TensorBoard shows of the iteration, under the iteration's number."""
        trained = sum(rollout.length for group in groups for rollout in group.rollouts)
        self.log_dict(
            {
                "step": float(experience.iteration),
                **{name: float(value) for name, value in experience.metrics.items()},
                **{f"train/{name}": value for name, value in means.items()},
                "train/groups": float(len(groups)),
                "train/groups_without_signal": float(len(experience.groups) - len(groups)),
                "train/tokens_per_second": trained / max(seconds, 1e-9),
                "time/train_seconds": seconds,
            },
            on_step=False,
            on_epoch=True,
            batch_size=1,
        )

    def validation_step(self, experience: Experience, batch_index: int) -> None:
        """Accuracy and length on the held-out problems."""
        metrics = {f"val/{name}": float(value) for name, value in experience.metrics.items()}
        step = {"step": float(experience.iteration)}
        self.log_dict({**step, **metrics}, on_step=False, on_epoch=True, batch_size=1)

    def on_train_epoch_start(self) -> None:
        """The engine samples from π_i."""
        self.sync(self.current_epoch)

    def on_validation_start(self) -> None:
        """Validation sees the newest weights."""
        trained = self.trainer.state.fn == "fit" and not self.trainer.sanity_checking
        self.sync(self.current_epoch + int(trained))

    def sync(self, version: int) -> None:
        """Give the engine this module's weights under their Hugging Face names."""
        datamodule: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        datamodule.sync(self.model.named_parameters(), version)


def pad_to(rows: list[Tensor], width: int) -> Tensor:
    """[B, width], zeros on the right."""
    padded = torch.zeros(len(rows), width)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    return padded
