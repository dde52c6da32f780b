"""An exponential moving average of the weights, which is what is measured and kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from k15.config.errors import ConfigError
from k15.folders import write_text
from k15.models.policy import Policy
from k15.models.sharded import is_sharded
from k15.types import StepsWithinBatch

MARK = "weight_average.json"


class WeightAverage(Callback):
    """Averages what is trained, in float32 whatever the weights are: after optimizer step n each
    becomes d · average + (1 − d) · weight with d = min(`decay`, (1 + n) / (10 + n)), so that short
    runs forget the weights that they began with.

    Validation measures the average. When training ends it takes the weights' place: so it is what
    `<run_dir>/model` holds, and `weight_average.json` in there says so. Checkpoints hold both.
    Lightning's `WeightAveraging` does not do here: it averages bfloat16 in bfloat16, which loses
    what a `decay` of 0.999 adds, and copies what is frozen beside an adapter.

    Stands behind `k15.callbacks.export` in the configuration. Raises ConfigError in RL, whose
    rollouts are sampled from the weights that are trained, for weights that are spread over ranks,
    and for a decay that cannot be.
    """

    def __init__(self, policy: Policy, run_dir: str, decay: float = 0.999) -> None:
        if not 0 < decay < 1:
            raise ConfigError(f"callbacks.average.decay={decay}: must be between 0 and 1")
        self.model: nn.Module = policy.model
        self.run_dir = Path(run_dir)
        self.decay = decay
        self.steps = 0
        """Averaged so far."""
        self.average: dict[str, Tensor] = {}
        self._trained: dict[str, Tensor] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """It begins as the weights are, or as the checkpoint has it."""
        if isinstance(pl_module, StepsWithinBatch):
            raise ConfigError("callbacks.average: RL samples from what it trains; set it to null")
        if is_sharded(self.model):
            raise ConfigError("callbacks.average: not with trainer=fsdp2; set it to null")
        here = {name: p.detach().float().clone() for name, p in self.weights().items()}
        self.average = {name: self.average.get(name, w).to(w) for name, w in here.items()}

    @torch.no_grad()
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """When an optimizer step has been taken."""
        if trainer.global_step == self.steps:
            return
        self.steps = trainer.global_step
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, weight in self.weights().items():
            self.average[name].lerp_(weight.float(), 1 - decay)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The average in the place of the weights."""
        if self.average and trainer.state.fn == "fit":
            self._trained = {name: w.detach().clone() for name, w in self.weights().items()}
            self.put(self.average)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The weights in their own."""
        if self._trained:
            self.put(self._trained)
            self._trained = {}

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The average for good."""
        self.put(self.average)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Behind the export."""
        folder = self.run_dir / "model"
        if trainer.is_global_zero and folder.is_dir():
            said = {"decay": self.decay, "optimizer_steps": self.steps}
            write_text(folder / MARK, json.dumps(said) + "\n")

    def weights(self) -> dict[str, nn.Parameter]:
        """What is trained, by name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def put(self, weights: dict[str, Tensor]) -> None:
        """Into the model."""
        for name, weight in self.weights().items():
            weight.copy_(weights[name])

    def state_dict(self) -> dict[str, Any]:
        """A resumed run goes on averaging."""
        return {"average": self.average, "steps": self.steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From there."""
        self.average, self.steps = dict(state_dict["average"]), state_dict["steps"]
