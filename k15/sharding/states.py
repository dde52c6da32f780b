"""States of models and optimizers as one process would have them, and back.

So a checkpoint does not say how many ranks there were, and one rank may go on with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from k15.sharding.parts import FOLDER, read
from k15.sharding.trees import changed


def whole(state: Any, keep: bool) -> Any:
    """A state in main memory, each tensor gathered in its turn, which all ranks have to call;
    where it is not to be kept, without tensors.
    """

    def gathered(_: str, tensor: Tensor) -> Tensor | None:
        full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        return full.detach().cpu() if keep else None

    return changed(state, gathered)


@torch.no_grad()
def load_weights(module: nn.Module, checkpoint: Mapping[str, Any]) -> None:
    """Each rank takes its part of whole tensors, or reads it where the checkpoint is in parts;
    raises ValueError naming what is missing or unknown.
    """
    there, state = module.state_dict(), checkpoint["state_dict"]
    if faults := sorted({*there} ^ {*state}):
        raise ValueError(f"resume: the checkpoint's weights differ from the model's: {faults[0]}")
    to_read = {}
    for name, tensor in there.items():
        if state[name].is_meta:
            to_read[f"state_dict/{name}"] = tensor
        else:
            tensor.copy_(local_part(state[name], tensor))
    if to_read:
        read(checkpoint[FOLDER], to_read)


def local_part(full: Tensor, like: Tensor) -> Tensor:
    """This rank's part of a whole tensor."""
    if not isinstance(like, DTensor):
        return full
    full = full.detach().to(like.device, like.dtype)
    return distribute_tensor(full, like.device_mesh, like.placements, src_data_rank=None)


def load_optimizer(optimizer: Optimizer, checkpoint: Mapping[str, Any], number: int) -> None:
    """Each rank takes, or reads, its part of the state that has this number; what has a weight's
    shape is spread like it.
    """
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    state, to_read = checkpoint["optimizer_states"][number], dict[str, Tensor]()

    def own(name: str, value: Tensor) -> Tensor:
        weight = weights[int(name.split("/")[0])]
        alike = value.shape == weight.shape  # a moment, no count of steps
        if not value.is_meta:
            return local_part(value, weight) if alike else value
        place = f"optimizer_states/{number}/state/{name}"
        to_read[place] = (
            torch.empty_like(weight, dtype=value.dtype, requires_grad=False)
            if alike
            else torch.empty_like(value, device="cpu")
        )
        return to_read[place]

    spread = changed(state["state"], own)
    if to_read:
        read(checkpoint[FOLDER], to_read)
    optimizer.load_state_dict({**state, "state": spread})
