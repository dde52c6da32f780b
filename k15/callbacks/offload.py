"""The optimizer's memory in the machine's instead of the GPU's."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from k15.config.errors import ConfigError
from k15.sharding.strategy import ShardedStrategy


class OptimizerOnCpu(Callback):
    """Master weights and AdamW's moments lie in main memory, and steps are taken by the CPU: 8
    bytes less per weight on the GPU (12 where weights are bfloat16), 12 more in main memory, and
    each step copies the gradients there and the weights back.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Before there is an optimizer."""
        module: Any = pl_module
        if not hasattr(module, "optimizer_on_cpu"):
            raise ConfigError(
                f"callbacks: OptimizerOnCpu knows k15's modules, not {type(module).__name__}"
            )
        if isinstance(trainer.strategy, ShardedStrategy):
            raise ConfigError(
                "callbacks: OptimizerOnCpu cannot be had with trainer=fsdp2, which spreads the "
                "optimizer's memory over the GPUs; leave it out, or take trainer=ddp"
            )
        module.optimizer_on_cpu = True
