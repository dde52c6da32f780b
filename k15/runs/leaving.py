"""SIGTERM, which a cluster sends before it takes a machine away: save what is new, then leave."""

from __future__ import annotations

import signal
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from k15.ranks.together import ENDED, leave
from k15.runs.checkpoint_callback import Checkpoints
from k15.runs.checkpoints import name_of
from k15.shard import shard_of
from k15.types import StepsWithinBatch


class LeaveWhenTold(Callback):
    """After SIGTERM training goes on to the next optimizer step, saves and ends, with status 143;
    all ranks at the same one. Where a batch is an iteration, whose end was saved, it ends at once.
    """

    def __init__(self) -> None:
        self.told = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning's own handler would wait for other ranks wherever they are."""
        at_once = isinstance(pl_module, StepsWithinBatch)
        signal.signal(signal.SIGTERM, leave if at_once else self._remember)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Before and behind training there is nothing to save."""
        if trainer.state.fn != "fit":
            signal.signal(signal.SIGTERM, leave)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """If one of the ranks was told."""
        if isinstance(pl_module, StepsWithinBatch) or trainer.is_last_batch:
            return
        if not any(shard_of(trainer).gathered(self.told)):
            return
        if trainer.fit_loop._should_accumulate():
            return  # gathered gradients are not saved
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, Checkpoints):
                callback.save(trainer, name_of(trainer.current_epoch, trainer.global_step))
        if trainer.is_global_zero:
            print(
                f"told to end: saved after {trainer.global_step:,} steps; the same command with "
                "resume=last goes on",
                flush=True,
            )
        raise SystemExit(ENDED)

    def _remember(self, number: int, frame: Any) -> None:
        self.told = True
