"""What the configuration of a Trainer says of devices: how many, and which part each holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from k15.config.errors import ConfigError

SHARDS = ("fsdp", "modelparallel", "sharded")
"""Parts of the names of strategies that spread the weights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Devices, and how a model lies on them."""

    kind: str = "cpu"
    """Or gpu."""
    devices: int = 1
    """Of a machine."""
    nodes: int = 1
    sharded: bool = False
    """Weights, gradients and optimizer are spread over the ranks that have data of their own."""
    tensor: int = 1
    """Devices that share each layer (tensor parallel)."""

    def __post_init__(self) -> None:
        for name in ("devices", "nodes", "tensor"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)}: must be at least 1")
        if self.world % self.tensor:
            raise ConfigError(
                f"tensor_parallel={self.tensor} does not divide the {self.world} devices of "
                "trainer.devices and trainer.num_nodes"
            )

    @property
    def world(self) -> int:
        """All devices."""
        return self.devices * self.nodes

    @property
    def ranks(self) -> int:
        """Ranks with data of their own."""
        return self.world // self.tensor

    @property
    def shards(self) -> int:
        """Parts that weights, gradients and optimizer are cut into beside tensor parallel."""
        return self.ranks if self.sharded else 1


def placement_of(
    trainer: Mapping[str, Any], sharding: str | None = None, tensor: int | None = None
) -> Placement:
    """Of a Trainer's configuration; `sharding` (none | full) and `tensor` say otherwise than its
    strategy.

    Raises ConfigError if it does not say how many devices there are.
    """
    strategy = trainer.get("strategy") or "auto"
    return Placement(
        kind="cpu" if trainer["accelerator"] == "cpu" else "gpu",
        devices=number(trainer),
        nodes=int(trainer.get("num_nodes") or 1),
        sharded=is_sharded(strategy) if sharding is None else sharding == "full",
        tensor=tensor or tensor_size(strategy),
    )


def number(trainer: Mapping[str, Any]) -> int:
    """Of devices on a machine."""
    devices = trainer.get("devices", 1)
    if devices in ("auto", -1, "-1"):
        if trainer["accelerator"] == "cpu":
            return 1
        raise ConfigError(f"trainer.devices={devices}: say how many, trainer.devices=8 for example")
    return int(devices) if isinstance(devices, int | str) else len(devices)


def is_sharded(strategy: Any) -> bool:
    """Whether a strategy, by name or as a node, spreads the weights."""
    name = strategy.get("_target_", "") if isinstance(strategy, Mapping) else str(strategy)
    return any(part in name.replace("_", "").lower() for part in SHARDS)


def tensor_size(strategy: Any) -> int:
    """Its tensor parallel size."""
    size = strategy.get("tensor_parallel_size") if isinstance(strategy, Mapping) else None
    return size if isinstance(size, int) else 1
