"""One gradient from those of all ranks: added up once, when an optimizer step has all its batches.

So a rank may have fewer batches than another, or none, or none with a picture; and nothing is sent
before the last one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from k15.shard import Shard

BUCKET = 1 << 25
"""Numbers that are sent together."""


def keep_apart(model: nn.Module | None) -> None:
    """Of a model wrapped for DDP: backward passes leave the ranks' gradients as they are."""
    if isinstance(model, DistributedDataParallel):
        model.require_backward_grad_sync = False


@torch.no_grad()
def add_up(parameters: Sequence[nn.Parameter], shard: Shard) -> None:
    """Each gradient becomes the sum over all ranks; no gradient counts as 0, and stays none where
    no rank has one. All ranks have to call.
    """
    if shard.world == 1 or not parameters:
        return
    have = [parameter.grad is not None for parameter in parameters]
    ranks_with_one = shard.summed(torch.tensor(have, device=parameters[0].device).float()).tolist()
    for bucket in buckets(p for p, ranks in zip(parameters, ranks_with_one, strict=True) if ranks):
        gradients = [gradient_of(parameter) for parameter in bucket]
        total = shard.summed(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = total.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))


def gradient_of(parameter: nn.Parameter) -> Tensor:
    """Zeros where there was none."""
    if parameter.grad is None:
        parameter.grad = torch.zeros_like(parameter)
    return parameter.grad


def buckets(parameters: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Neighbours of one number type, about as many as are sent together."""
    bucket: list[nn.Parameter] = []
    for parameter in parameters:
        numbers = sum(other.numel() for other in bucket)
        if bucket and (bucket[0].dtype != parameter.dtype or numbers >= BUCKET):
            yield bucket
            bucket = []
        bucket.append(parameter)
    if bucket:
        yield bucket
