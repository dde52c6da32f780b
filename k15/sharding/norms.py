"""Norms of gradients, of which each rank may have its part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed import ProcessGroup, all_reduce
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm


@torch.no_grad()
def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """The 2-norm of all gradients together, the same on all ranks, which all have to call."""
    alike: dict[Any, list[Tensor]] = defaultdict(list)
    for parameter in parameters:
        if (gradient := parameter.grad) is not None:
            alike[spread_over(gradient)].append(local(gradient))
    if [*alike] == [()]:
        return get_total_norm(alike[()])
    squares = [
        summed(get_total_norm(gradients).square(), groups) for groups, gradients in alike.items()
    ]
    return torch.stack(squares).sum().sqrt() if squares else torch.zeros(())


def spread_over(tensor: Tensor) -> tuple[ProcessGroup, ...]:
    """The groups of ranks that have other parts of it."""
    if not isinstance(tensor, DTensor):
        return ()
    mesh, places = tensor.device_mesh, tensor.placements
    return tuple(mesh.get_group(n) for n, place in enumerate(places) if not place.is_replicate())


def local(tensor: Tensor) -> Tensor:
    """This rank's part."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def summed(total: Tensor, groups: Iterable[ProcessGroup]) -> Tensor:
    """Over the ranks of one group after the other."""
    for group in groups:
        all_reduce(total, group=group)
    return total


@torch.no_grad()
def clip(parameters: list[nn.Parameter], longest: float) -> Tensor:
    """Scale the gradients down where they are longer together; returns how long they were."""
    norm = gradient_norm(parameters)
    gradients = [p.grad for p in parameters if p.grad is not None]
    if any(isinstance(gradient, DTensor) for gradient in gradients):
        scale = min(1.0, longest / (float(norm) + 1e-6))
        for gradient in gradients:
            gradient.mul_(scale)
    else:
        clip_grads_with_norm_(parameters, longest, norm)
    return norm
