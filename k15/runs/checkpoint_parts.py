"""Checkpoints in parts, written by all ranks together: there as a whole or not at all.

    every rank ─► its parts in .epoch=00006.ckpt.unfinished/ ─► their checksums ─► rank 0
    rank 0     ─► meta.pt, all checksums ─► the folder gets its name

What a killed run has begun keeps the other name, and goes with the next checkpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import distributed

from k15.folders import UNFINISHED, remove, sha256, sync
from k15.runs.checkpoints import SUMS, Sealed
from k15.shard import Shard
from k15.sharding import parts


def save_parts(checkpoint: dict[str, Any], target: Path) -> None:
    """All ranks have to call; raises OSError where a disk is full or may not be written."""
    shard = Shard(distributed.get_rank(), distributed.get_world_size())
    beside = target.with_name(f".{target.name}{UNFINISHED}")
    if shard.rank == 0:
        remove(beside)  # of a run that was killed here
        beside.mkdir()
    shard.gathered(None)
    meta = parts.write(checkpoint, beside)
    own = {file.name: sha256(file) for file in beside.glob(f"__{shard.rank}_*")}
    found = shard.gathered(own)
    if shard.rank == 0:
        with (beside / parts.META).open("wb") as file:
            torch.save(meta, file)
        seal(beside, {name: sum_ for part in found for name, sum_ in part.items()})
        remove(target)
        beside.replace(target)
        sync(target.parent)


def seal(folder: Path, sums: dict[str, str]) -> None:
    """Write the checksums of all files, and one of themselves; all is on the disk then."""
    for name in (parts.META, ".metadata"):
        sums[name] = sha256(folder / name)
        sync(folder / name)
    with (folder / SUMS).open("wb") as file:
        sealed = Sealed(file)
        sealed.write("".join(f"{sums[name]}  {name}\n" for name in sorted(sums)).encode())
        sealed.seal()
    sync(folder / SUMS)
    sync(folder)
