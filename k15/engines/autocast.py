"""Decoding under an autocast, which rounds what linear layers and attention take."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from k15.models.policy import Policy


def computed_in(x: Tensor) -> torch.dtype:
    """The number type that linear layers and attention take it in: that of the autocast around, or
    its own.
    """
    kind = x.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype


@contextmanager
def weights_cast_once(policy: Policy) -> Iterator[None]:
    """The same numbers without a cast of all weights for every token: within it the weights of
    linear layers are as `policy.computing` would cast them, but for those of an embedding.
    """
    embedding = policy.model.get_input_embeddings().weight
    modules = (module for module in policy.model.modules() if isinstance(module, nn.Linear))
    weights = {module.weight for module in modules if module.weight is not embedding}
    with policy.computing():
        cast = [weight for weight in weights if computed_in(weight) != weight.dtype]
        kept = [(weight, weight.data) for weight in cast]
        for weight in cast:
            weight.data = weight.data.to(computed_in(weight))
    try:
        yield
    finally:
        for weight, data in kept:
            weight.data = data
