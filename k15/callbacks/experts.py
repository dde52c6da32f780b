"""How evenly a mixture's experts are used in training, and the bias that keeps it so."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from k15.config.errors import ConfigError
from k15.models.experts import Loads, balance, bias_of, even_out
from k15.models.policy import Policy
from k15.shard import shard_of
from k15.types import StepsWithinBatch


class ExpertLoad(Callback):
    """Logs `experts/load_entropy` and `experts/max_violation`, means over the layers, and both of
    each layer, `experts/load_entropy/1` (`k15.models.experts.balance`): over the tokens of an
    optimizer step, in RL of an iteration. Dense models have none.

    With a `bias_step` the router's bias of each expert moves so far after each of them, against
    its load, as in DeepSeek-V3, whose step is 0.001 (arXiv 2412.19437, §4.2). Raises ConfigError
    if it is below 0, or if no router of the model has such a bias.
    """

    def __init__(self, policy: Policy, bias_step: float = 0.0) -> None:
        if bias_step < 0:
            raise ConfigError(f"callbacks.experts.bias_step={bias_step}: must be at least 0")
        self.policy = policy
        self.bias_step = bias_step
        self.loads: Loads | None = None
        self._steps = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Counting begins."""
        self.loads, self._steps = Loads(self.policy.model), trainer.global_step
        biases = [bias_of(layer) for layer in self.loads.layers.values()]
        if self.bias_step and not any(bias is not None for bias in biases):
            raise ConfigError(
                f"callbacks.experts.bias_step={self.bias_step}: no router of "
                f"{type(self.policy.model).__name__} has a bias; set it to 0"
            )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """When an optimizer step has been taken."""
        if self.loads is None or not self.loads.layers or trainer.global_step == self._steps:
            return
        self._steps = trainer.global_step
        shard, found = shard_of(trainer), []
        for name, layer in self.loads.layers.items():
            load_E = shard.summed(self.loads.of(name).to(pl_module.device))
            if self.bias_step:
                even_out(layer, load_E, self.bias_step)
            found.append(balance(load_E))
        self.loads.clear()
        figures = {
            f"experts/{figure}/{place}": value
            for place, layer_has in enumerate(found)
            for figure, value in layer_has.items()
        }
        for figure in found[0]:
            figures[f"experts/{figure}"] = sum(one[figure] for one in found) / len(found)
        whole = isinstance(pl_module, StepsWithinBatch)
        pl_module.log_dict(figures, on_step=not whole, on_epoch=whole, batch_size=1)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Counting ends."""
        if self.loads is not None:
            self.loads.close()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Of a run that fails, too."""
        self.on_train_end(trainer, pl_module)
