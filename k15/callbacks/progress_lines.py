"""How far an epoch is, where there is no terminal to draw a bar on."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from k15.progress import Heartbeat, Lines, heartbeat


class ProgressLines(Callback):
    """Every 30 seconds the batches that are done and what the bar would show, such as the loss.

    An epoch of one batch, an iteration of RL, speaks of its phases instead.
    """

    def __init__(self, pulse: Heartbeat = heartbeat) -> None:
        self.pulse = pulse
        self._open = ExitStack()
        self._lines: Lines | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Of rank 0."""
        batches = trainer.num_training_batches
        if sys.stderr.isatty() or not trainer.is_global_zero or batches <= 1:
            return

        def figures() -> str:
            shown = trainer.progress_bar_metrics
            return "".join(f", {name} {float(value):.4g}" for name, value in shown.items())

        name = f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}"
        lines = Lines(name, batches, " batches", more=figures, pulse=self.pulse)
        self._lines = self._open.enter_context(lines)

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """The index counts on in an epoch that is resumed."""
        if self._lines:
            self._lines.done = batch_idx + 1

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """All of them."""
        self._close()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Nothing more comes."""
        self._close()

    def _close(self) -> None:
        self._open.close()
        self._lines = None
