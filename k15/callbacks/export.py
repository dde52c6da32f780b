"""A stage ends in a Hugging Face folder: for the next stage, for vLLM, for everyone."""

from __future__ import annotations

from pathlib import Path
from shutil import rmtree

from lightning.pytorch import Callback, LightningModule, Trainer

from k15.folders import UNFINISHED, write_text
from k15.models.policy import Policy


class Export(Callback):
    """Writes `<run_dir>/model` when training has ended, and beside it the run's fingerprint."""

    def __init__(self, policy: Policy, run_dir: str, fingerprint: str) -> None:
        self.policy = policy
        self.run_dir = Path(run_dir)
        self.fingerprint = fingerprint

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save once, from rank 0. An interrupted or failed `fit` does not come here."""
        if trainer.is_global_zero:
            self.write()

    def write(self) -> None:
        """Put the folder in its place as a whole; the fingerprint comes last, as the sign that it
        is there. A model of the same run that was shorter then makes room.
        """
        model, mark = self.run_dir / "model", self.run_dir / "fingerprint"
        unfinished = self.run_dir / f"model{UNFINISHED}"
        rmtree(unfinished, ignore_errors=True)  # of a killed process
        self.policy.save(unfinished)
        mark.unlink(missing_ok=True)
        if model.exists():
            rmtree(model)
        unfinished.rename(model)
        write_text(mark, self.fingerprint)
