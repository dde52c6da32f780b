"""A stage ends in a Hugging Face folder: for the next stage, for vLLM, for everyone; so may the
best of its epochs, and every n-th.
"""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree
from typing import Any, Literal

from lightning.pytorch import Callback, LightningModule, Trainer

from k15.callbacks.model_folders import ModelFolders
from k15.config.errors import ConfigError
from k15.folders import UNFINISHED, write_text
from k15.models.policy import Policy
from k15.weights.full import saver


class Export(Callback):
    """Writes `<run_dir>/model` when training has ended, and beside it the run's fingerprint.

    `best` names a figure of validation: whenever it is better than ever since training began,
    `<run_dir>/models/best` is the model of that moment. `every_n_epochs` writes the model after
    every so many epochs (of RL: iterations), of which the newest `keep` stay.
    """

    def __init__(
        self,
        policy: Policy,
        run_dir: str,
        fingerprint: str,
        best: str | None = None,
        better: Literal["higher", "lower"] = "higher",
        every_n_epochs: int | None = None,
        keep: int = 2,
    ) -> None:
        for name, value in {"every_n_epochs": every_n_epochs, "keep": keep}.items():
            if value is not None and value < 1:
                raise ValueError(f"callbacks.export.{name}={value}: must be at least 1")
        if better not in ("higher", "lower"):
            raise ValueError(f"callbacks.export.better={better!r}: choose higher or lower")
        self.policy = policy
        self.run_dir = Path(run_dir)
        self.fingerprint = fingerprint
        self.best = best
        self.sign = 1 if better == "higher" else -1
        self.every_n_epochs = every_n_epochs
        self.keep = keep
        self.folders = ModelFolders(self.run_dir / "models", policy.save)
        self.record: float | None = None
        """The best value so far."""
        self._written: dict[tuple[int, int], Path] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raises ConfigError if validation has no such figure, before anything is trained."""
        if self.best is None or trainer.sanity_checking:
            return
        if self.best not in trainer.callback_metrics:
            there = sorted(name for name in trainer.callback_metrics if name.startswith("val/"))
            raise ConfigError(
                f"callbacks.export.best={self.best!r}: validation has no such figure; it has "
                f"{', '.join(there)}"
            )
        value = float(trainer.callback_metrics[self.best])
        if not trainer.global_step or not self._is_record(value):
            return
        self.record = value
        self.folders.save = saver(self.policy, keep=trainer.is_global_zero)
        if trainer.is_global_zero:
            done = trainer.current_epoch + int(trainer.state.fn == "fit")
            self.folders.choose(self._folder(trainer, done))
            self.clean()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Every so many epochs."""
        done = trainer.current_epoch + 1
        if not self._is_due(done):
            return
        self.folders.save = saver(self.policy, keep=trainer.is_global_zero)
        if trainer.is_global_zero:
            self._folder(trainer, done)
            self.clean()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save once, from rank 0. An interrupted or failed `fit` does not come here."""
        self.folders.save = saver(self.policy, keep=trainer.is_global_zero)
        if trainer.is_global_zero:
            self.write()
        self.folders.save = self.policy.save

    def write(self) -> None:
        """Put the folder in its place as a whole; the fingerprint comes last, as the sign that it
        is there. A model of the same run that was shorter then makes room.
        """
        model, mark = self.run_dir / "model", self.run_dir / "fingerprint"
        unfinished = self.run_dir / f"model{UNFINISHED}"
        rmtree(unfinished, ignore_errors=True)  # of a killed process
        self.folders.save(unfinished)
        mark.unlink(missing_ok=True)
        if model.exists():
            rmtree(model)
        unfinished.rename(model)
        write_text(mark, self.fingerprint)

    def clean(self) -> None:
        """Of the disk."""
        self.folders.clean(self._is_due, self.keep)

    def state_dict(self) -> dict[str, Any]:
        """A resumed run knows what to surpass."""
        return {"record": self.record}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """And goes on from there."""
        self.record = state_dict["record"]

    def _is_due(self, epochs: int) -> bool:
        return self.every_n_epochs is not None and epochs % self.every_n_epochs == 0

    def _is_record(self, value: float) -> bool:
        """Whether it is better; what is no number is not."""
        if self.record is None:
            return value == value
        return self.sign * value > self.sign * self.record

    def _folder(self, trainer: Trainer, epochs: int) -> Path:
        """The folder of this moment, which is written once."""
        moment = epochs, trainer.global_step
        if moment not in self._written:
            self._written = {moment: self.folders.write(epochs)}
        return self._written[moment]
