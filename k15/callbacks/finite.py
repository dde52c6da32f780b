"""A loss or gradient that is no number must not reach the weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch import Tensor
from torch.optim import Optimizer

from k15.config.errors import ConfigError
from k15.folders import write_text
from k15.models.layouts.base import unpacked
from k15.models.policy import Policy
from k15.sharding.norms import gradient_norm
from k15.types import Example, Experience, Pack, Problem, StepsWithinBatch


class StopWhenNotFinite(Callback):
    """Stops the run before an optimizer step whose loss or gradient norm is not finite.

    The problems whose loss is not go into `<run_dir>/not_finite.json`, or all that the step was to
    be taken on if only the gradient is not; the checkpoint before it stays.

    In float16 a gradient may overflow: its scaler passes over such steps itself.
    """

    def __init__(self, policy: Policy, run_dir: str) -> None:
        self.policy = policy
        self.file = Path(run_dir) / "not_finite.json"
        self._batch: Any = ()
        self._parts: list[tuple[Tensor, Sequence[str]]] = []

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """What the next steps are taken on."""
        self._batch = batch

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Of each micro-batch, with its problems."""
        if isinstance(pl_module, StepsWithinBatch):
            self._parts.append((loss.detach(), pl_module.under_way))
        else:
            self._parts.append((loss.detach(), names(self._batch, self.policy)))

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Raises ConfigError naming the iteration, or the step, and the file."""
        norm = gradient_norm(p for group in optimizer.param_groups for p in group["params"])
        parts, self._parts = self._parts, []
        loss = sum((loss for loss, _ in parts), norm.new_zeros(()))
        scaled = isinstance(trainer.precision_plugin, MixedPrecision) and (
            trainer.precision_plugin.scaler is not None
        )
        finite = loss.isfinite() & (norm.isfinite() | scaled)
        if trainer.strategy.reduce_boolean_decision(bool(finite)):
            return
        figures = {"loss": float(loss), "gradient_norm": float(norm)}
        if trainer.is_global_zero:
            place = {"epoch": trainer.current_epoch, "step": trainer.global_step}
            found = {**place, **figures, "problems": culprits(parts)}
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_text(self.file, json.dumps(found, indent=1, ensure_ascii=False))
        raise ConfigError(
            f"{where(self._batch, trainer)}: "
            f"{' and '.join(f'{name} {value}' for name, value in figures.items())}: not finite, so "
            f"no step was taken; its problems are in {self.file}. The checkpoint before it is "
            "whole: lower the learning rate (learning_rates), or leave the problems out"
        )


def where(batch: Any, trainer: Trainer) -> str:
    """In the words of the console."""
    if isinstance(batch, Experience):
        return f"iteration {batch.iteration + 1}"
    return f"epoch {trainer.current_epoch + 1}, step {trainer.global_step + 1}"


def culprits(parts: Sequence[tuple[Tensor, Sequence[str]]]) -> list[str]:
    """The problems of the micro-batches whose loss is not finite, or else of all."""
    broken = [ids for loss, ids in parts if not loss.isfinite()]
    chosen = broken or [ids for _, ids in parts]
    return list(dict.fromkeys(name for ids in chosen for name in ids))


def names(batch: Any, policy: Policy) -> list[str]:
    """The ids of a batch's problems and documents, or the prompts of examples, which have none."""
    found: list[str] = []
    for item in batch:
        if isinstance(item, Problem):
            found.append(item.id)
        elif isinstance(item, Pack) and item.names:
            found += item.names
        elif isinstance(item, Pack | Example):
            found += [policy.decode(one.prompt_tokens) for one in unpacked([item])]
    return found
