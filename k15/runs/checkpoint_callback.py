"""When checkpoints are written, and which are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from k15.folders import UNFINISHED, remove
from k15.runs.checkpoints import NAME, name_of


class Checkpoints(Checkpoint):
    """Writes one after every epoch, also if no optimizer step was taken in it, and one every
    `every_n_steps` optimizer steps within an epoch (null: none; RL's epoch is one batch).

    The newest `keep` stay: more than one, for the newest may be damaged later.
    """

    def __init__(self, folder: str, every_n_steps: int | None = 50, keep: int = 2) -> None:
        for name, value in {"every_n_steps": every_n_steps, "keep": keep}.items():
            if value is not None and value < 1:
                raise ValueError(f"callbacks.checkpoint.{name}={value}: must be at least 1")
        self.folder = Path(folder)
        self.every_n_steps = every_n_steps
        self.keep = keep
        self._step = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The step that a resumed run starts from is saved already."""
        self._step = trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Within an epoch: at optimizer steps only, for gathered gradients are not saved."""
        stepped, self._step = trainer.global_step > self._step, trainer.global_step
        if not self.every_n_steps or not stepped or trainer.is_last_batch:
            return
        if self._step % self.every_n_steps == 0:
            self.save(trainer, name_of(trainer.current_epoch, self._step))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After an epoch, as the last of the callbacks."""
        self.save(trainer, name_of(trainer.current_epoch))

    def save(self, trainer: Trainer, name: str) -> None:
        """Write one, then remove what it makes superfluous: older ones, and newer ones of a past
        that this run has left.
        """
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        trainer.save_checkpoint(self.folder / name, weights_only=False)
        if not trainer.is_global_zero:
            return
        files = sorted(file for file in self.folder.iterdir() if NAME.fullmatch(file.name))
        past = [file for file in files if file.name <= name]
        kept = past[-self.keep :]
        killed = self.folder.glob(f".*{UNFINISHED}")
        for file in [*(file for file in files if file not in kept), *killed]:
            remove(file)
