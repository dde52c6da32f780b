"""Norms of gradients, of which each rank may have its part."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm


@torch.no_grad()
def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """The 2-norm of all gradients together, the same on all ranks, which all have to call."""
    meshes: dict[Any, list[Tensor]] = defaultdict(list)
    for parameter in parameters:
        if (gradient := parameter.grad) is not None:
            meshes[gradient.device_mesh if isinstance(gradient, DTensor) else None].append(gradient)
    norms = [get_total_norm(gradients) for gradients in meshes.values()]
    whole = [norm.full_tensor() if isinstance(norm, DTensor) else norm for norm in norms]
    return get_total_norm(whole) if len(whole) != 1 else whole[0]


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
