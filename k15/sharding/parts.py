"""A checkpoint in parts: a folder in which each rank has written what it has of each tensor.

    meta.pt        all that is no weight and no moment; in their places tensors without memory
    .metadata      which file has what of which tensor
    __0_0.distcp   the parts of rank 0, and so on

Any number of ranks reads it, each what it needs, and so does one process. It is torch's own format.
https://docs.pytorch.org/docs/stable/distributed.checkpoint.html
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from errno import EIO, ENOSPC
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed import checkpoint as files
from torch.distributed.checkpoint import CheckpointException
from torch.distributed.tensor import DTensor

from k15.sharding.trees import changed, leaves

META = "meta.pt"
STATES = ("state_dict", "optimizer_states")
"""What is in parts, of a checkpoint of Lightning's."""
ARCHIVE = "inline_container"
"""What torch speaks of when a file fails, whose error it hides."""
FOLDER = "parts_in"
"""Where a checkpoint says in which folder the tensors are that it has no memory for."""


def in_parts(checkpoint: Mapping[str, Any]) -> bool:
    """Whether ranks have parts of its tensors."""
    return any(isinstance(tensor, DTensor) for _, tensor in leaves(states(checkpoint)))


def write(checkpoint: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Write the parts of this rank, which all ranks have to call; what is not spread is written by
    one of them. Returns what is to be in `meta.pt`.

    Raises on all ranks the error of the first that cannot write, OSError if it is the disk's.
    """
    try:
        files.save(dict(leaves(states(checkpoint))), storage_writer=files.FileSystemWriter(folder))
    except CheckpointException as error:
        failure = cause(error)
        full = isinstance(failure, OSError) and failure.errno == ENOSPC
        if full or ARCHIVE in str(failure):
            failure = OSError(EIO, "the disk is full, or does not take it")
        raise failure from error
    return {**checkpoint, **changed(states(checkpoint), without_memory)}


def opened(folder: Path) -> dict[str, Any]:
    """A checkpoint whose weights and moments have no memory; `read` has what they are."""
    meta: dict[str, Any] = torch.load(folder / META, weights_only=False)
    return {**meta, FOLDER: str(folder)}


def whole(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The same with whole tensors, as one process would have written it."""
    folder = checkpoint.pop(FOLDER)
    found = changed(states(checkpoint), lambda _, tensor: torch.empty_like(tensor, device="cpu"))
    read(folder, dict(leaves(found)))
    return {**checkpoint, **found}


def read(folder: str, tensors: dict[str, Tensor]) -> None:
    """Fill tensors, by their names in the checkpoint; of a DTensor what this rank has of it. No
    rank waits for another.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")  # it need not be
            files.load(tensors, storage_reader=files.FileSystemReader(folder), no_dist=True)
    except CheckpointException as error:
        raise cause(error) from error


def states(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """What is in parts."""
    return {name: checkpoint[name] for name in STATES if name in checkpoint}


def without_memory(_: str, tensor: Tensor) -> Tensor:
    """Shape and number type of the whole."""
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="meta")


def cause(error: CheckpointException) -> Exception:
    """The first rank's own: torch collects those of all in one that is no Exception."""
    failure, _ = next(iter(error.failures.values()))
    return failure if isinstance(failure, Exception) else RuntimeError(str(error))
