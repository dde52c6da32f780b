"""How much memory a run takes."""

from __future__ import annotations

import resource
import sys

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in which the system counts
GIB = 2**30


class Memory(Callback):
    """Logs after every epoch, in GiB: `system/memory_gib`, the most that this process has had in
    main memory so far, and on a GPU `system/gpu_memory_gib`, the most that tensors took in the
    epoch.
    """

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The epoch's own peak, validation and benchmarks behind it included."""
        if pl_module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(pl_module.device)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Of rank 0."""
        pl_module.log("system/memory_gib", resident() / GIB, rank_zero_only=True)
        if pl_module.device.type == "cuda":
            peak = torch.cuda.max_memory_allocated(pl_module.device)
            pl_module.log("system/gpu_memory_gib", peak / GIB, rank_zero_only=True)


def resident() -> int:
    """Bytes of this process in main memory at its peak."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
