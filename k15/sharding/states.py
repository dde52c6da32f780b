"""States of models and optimizers as one process would have them, and back.

So a checkpoint does not say how many ranks there were, and one rank may go on with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer


def whole(state: Any, keep: bool) -> Any:
    """A state in main memory, each tensor gathered in its turn, which all ranks have to call;
    where it is not to be kept, without tensors.
    """

    def gathered(tensor: Tensor) -> Tensor | None:
        full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        return full.detach().cpu() if keep else None

    return mapped(state, gathered)


def mapped(state: Any, change: Callable[[Tensor], Any]) -> Any:
    """The same mappings and lists with other tensors."""
    if isinstance(state, Tensor):
        return change(state)
    if isinstance(state, Mapping):
        return {key: mapped(value, change) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [mapped(value, change) for value in state]
    return state


@torch.no_grad()
def load_weights(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Each rank takes its part of whole tensors; raises ValueError naming what is missing or
    unknown.
    """
    there = module.state_dict()
    if faults := sorted({*there} ^ {*state}):
        raise ValueError(f"resume: the checkpoint's weights differ from the model's: {faults[0]}")
    for name, tensor in there.items():
        tensor.copy_(local_part(state[name], tensor))


def local_part(full: Tensor, like: Tensor) -> Tensor:
    """This rank's part of a whole tensor."""
    if not isinstance(like, DTensor):
        return full
    full = full.detach().to(like.device, like.dtype)
    return distribute_tensor(full, like.device_mesh, like.placements, src_data_rank=None)


def load_optimizer(optimizer: Optimizer, state: Mapping[str, Any]) -> None:
    """Each rank takes its part of a whole state; what has a weight's shape is spread like it."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    spread = {
        number: {
            name: local_part(value, weights[number]) if is_like(value, weights[number]) else value
            for name, value in values.items()
        }
        for number, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": spread})


def is_like(value: Any, weight: Tensor) -> bool:
    """A moment, no count of steps."""
    return isinstance(value, Tensor) and value.shape == weight.shape
