"""What it takes to go from training to rollouts and back (k1.5 §2.6)."""

from __future__ import annotations

from lightning.pytorch import Callback, LightningModule, Trainer

from k15.engines.on_demand import OnDemandEngine


class Switches(Callback):
    """Logs, each for the last time in the iteration: `time/engine_wake_seconds`, the engine's start
    included, `time/engine_load_seconds` of new weights, `time/engine_sleep_seconds`.
    """

    def __init__(self, engine: OnDemandEngine) -> None:
        self.engine = engine

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Of rank 0."""
        for what, seconds in self.engine.seconds.items():
            pl_module.log(f"time/engine_{what}_seconds", seconds, rank_zero_only=True)
