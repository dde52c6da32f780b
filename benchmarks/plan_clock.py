"""What a run takes, iteration by iteration: for benchmarks/plan.py."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from k15.callbacks.memory import resident


class Clock(Callback):
    """Writes down processor seconds and memory of each iteration."""

    def __init__(self, file: str) -> None:
        self.file, self.found = Path(file), list[dict[str, float]]()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Before weights are given to the engine."""
        self.started = time.process_time()

    def on_train_batch_end(self, *_: Any) -> None:
        """Behind the last optimizer step."""
        seconds = time.process_time() - self.started
        self.found.append({"seconds": seconds, "bytes": resident()})
        self.file.write_text(json.dumps(self.found))
