"""A stage ends in a Hugging Face folder: for the next stage, for vLLM, for everyone."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from k15.models.policy import Policy


class Export(Callback):
    """Writes `<run_dir>/model` when training has ended, and beside it the run's fingerprint."""

    def __init__(self, policy: Policy, run_dir: str, fingerprint: str) -> None:
        self.policy = policy
        self.run_dir = Path(run_dir)
        self.fingerprint = fingerprint

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save once, from rank 0; the fingerprint comes last, as the sign that all is there.

        An interrupted or failed `fit` does not come here.
        """
        if trainer.is_global_zero:
            self.policy.save(self.run_dir / "model")
            (self.run_dir / "fingerprint").write_text(self.fingerprint)
