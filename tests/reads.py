"""Counts what a device would have to be waited for: its numbers on the host, sizes that depend on
them.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
WAITING = {
    aten._local_scalar_dense.default,
    aten.is_nonzero.default,  # of which inference mode does not say more
    aten.nonzero.default,
    aten.masked_select.default,
}


class Reads(TorchDispatchMode):
    """Within it `count` goes up by each `float(x)`, `if x`, `x.nonzero()` and `x[mask]`."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        masked = func is aten.index.Tensor and any(
            isinstance(index, Tensor) and index.dtype == torch.bool for index in args[1]
        )
        self.count += func in WAITING or masked
        return func(*args, **(kwargs or {}))
