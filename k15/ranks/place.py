"""Which of how many processes this one is, as whatever started it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import environ

LAUNCHED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "GROUP_RANK", "NODE_RANK", "MASTER_ADDR")
"""What launchers tell a process by; without any of it, and of SLURM's, it is alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One of `world` processes, the first of which is met at an address."""

    rank: int = 0
    world: int = 1
    address: str = "127.0.0.1"
    port: int = 0
    hosted: bool = False
    """Whether the launcher itself keeps the store there (torchrun)."""


def place_of(env: Mapping[str, str] = environ) -> Place:
    """From torchrun's variables, which `k15.ranks.start` sets, too, or from SLURM's."""
    if "RANK" in env and "MASTER_ADDR" in env:
        return Place(
            rank=int(env["RANK"]),
            world=int(env["WORLD_SIZE"]),
            address=env["MASTER_ADDR"],
            port=int(env["MASTER_PORT"]),
            hosted=env.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
        )
    if int(env.get("SLURM_NTASKS", 1)) > 1:
        from lightning.fabric.plugins.environments import SLURMEnvironment

        if SLURMEnvironment.detect():
            slurm = SLURMEnvironment()
            return Place(
                rank=slurm.global_rank(),
                world=slurm.world_size(),
                address=slurm.main_address,
                port=slurm.main_port,
            )
    return Place()


def alone(env: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that is one of a kind."""
    launchers = (*LAUNCHED, "MASTER_PORT", "TORCHELASTIC", "SLURM_")
    return {name: value for name, value in env.items() if not name.startswith(launchers)}
