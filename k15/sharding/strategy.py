"""Lightning's strategy for models that are spread over ranks: `trainer=fsdp2`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from lightning.pytorch.strategies import ModelParallelStrategy
from torch import nn
from torch.optim import Optimizer

from k15.config.errors import ConfigError
from k15.sharding.parts import opened
from k15.sharding.spread import Spread
from k15.sharding.states import load_optimizer, load_weights, whole

Sending = Literal["each", "last"]


class ShardedStrategy(ModelParallelStrategy):
    """FSDP2 over `data_parallel_size` ranks, which have different data; "auto": as many as there
    are for each of the `tensor_parallel_size` parts of a layer.

    `send_gradients`: after each micro-batch, which keeps them small, or after the last one of an
    optimizer step alone. `save_distributed_checkpoint`: each rank writes its part of a folder, or
    rank 0 gathers all in one file, as on one rank. Any number of ranks goes on with either, and so
    does `trainer=ddp`.
    """

    def __init__(
        self,
        data_parallel_size: int | Literal["auto"] = "auto",
        tensor_parallel_size: int = 1,
        send_gradients: Sending = "each",
        save_distributed_checkpoint: bool = True,
    ) -> None:
        if send_gradients not in get_args(Sending):
            raise ValueError(
                f"trainer.strategy.send_gradients={send_gradients!r}: choose each or last"
            )
        super().__init__(data_parallel_size, tensor_parallel_size, save_distributed_checkpoint)
        self.copies, self.parts = data_parallel_size, tensor_parallel_size
        self.send_gradients = send_gradients

    def setup_environment(self) -> None:
        """Raises ConfigError if the sizes are not those of the ranks."""
        ranks = self.num_nodes * self.num_processes
        copies = ranks // self.parts if self.copies == "auto" else self.copies
        if copies * self.parts != ranks:
            raise ConfigError(
                f"trainer.strategy: data_parallel_size={copies} times "
                f"tensor_parallel_size={self.parts} "
                f"must be the number of processes, trainer.devices times num_nodes: {ranks}"
            )
        self._data_parallel_size = copies
        super().setup_environment()

    def spread(self, model: nn.Module) -> Spread:
        """Spread a model, in place; raises ConfigError if its trained weights are not float32."""
        types = {str(p.dtype).removeprefix("torch.") for p in model.parameters() if p.requires_grad}
        if types - {"float32"}:
            raise ConfigError(
                f"model.dtype={', '.join(sorted(types))}: trainer=fsdp2 takes float32, of which "
                "each rank has its part; the arithmetic, and what travels, is bfloat16 with "
                "trainer.precision=bf16-mixed"
            )
        precision = str(self.precision_plugin.precision)
        return Spread(model, self.device_mesh, bfloat16=precision == "bf16-mixed")

    @property
    def lightning_restore_optimizer(self) -> bool:
        """By `load_optimizer_state_dict`."""
        return True

    def lightning_module_state_dict(self) -> dict[str, Any]:
        """This rank's part of it, or the whole on rank 0; all have to call."""
        assert self.lightning_module is not None
        return self._saved(self.lightning_module.state_dict())

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """This rank's part of it, or the whole on rank 0; all have to call."""
        return self._saved(optimizer.state_dict())

    def _saved(self, state: dict[str, Any]) -> dict[str, Any]:
        parts = self._save_distributed_checkpoint
        found: dict[str, Any] = state if parts else whole(state, self.is_global_zero)
        return found

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any = None
    ) -> None:
        """By all ranks, or by rank 0, as on one rank."""
        if self.is_global_zero or self._save_distributed_checkpoint:
            self.checkpoint_io.save_checkpoint(checkpoint, filepath, storage_options)

    def load_checkpoint(
        self, checkpoint_path: str | Path, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Each rank opens it; what is in parts is read when it is known which are this rank's."""
        if Path(checkpoint_path).is_dir():
            return opened(Path(checkpoint_path))
        return self.checkpoint_io.load_checkpoint(checkpoint_path, weights_only=weights_only)

    def load_model_state_dict(self, checkpoint: Mapping[str, Any], strict: bool = True) -> None:
        """Each rank takes its part."""
        assert self.lightning_module is not None
        load_weights(self.lightning_module, checkpoint)

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Each rank takes its part."""
        for number, optimizer in enumerate(self.optimizers):
            load_optimizer(optimizer, checkpoint, number)
