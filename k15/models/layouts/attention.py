"""Attention over a row in which several sequences share a prompt.

Everything else in a decoder looks at one token at a time, so each token goes through it once.
Attention alone needs whole sequences: queries, keys and values are spread out into them, a shared
prompt before each of its responses, and the results are collected where each token stands first.
It takes the place of scaled_dot_product_attention while a batch with `places` is in the model, and
gives the same gradients.

Legend: T tokens of the row, N places of all sequences with their padding, C copies, W width,
H heads, K key-value heads, D head dimension, B sequences of a bucket, L its longest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from k15.models.attention import attending
from k15.models.layouts.batch import SequencePlaces

NAME = "k15_sequences"
OTHER_KINDS = ("sliding_window", "softcap", "s_aux", "position_bias")
"""Arguments by which transformers' decoders ask for more than plain attention."""
IN_MODEL: ContextVar[tuple[Any, SequencePlaces]] = ContextVar("in_model")
"""The model, and the places of the batch in it: not every decoder hands on to its attention what it
is given.
"""


@contextmanager
def attending_by_sequences(model: Any, places: SequencePlaces) -> Iterator[None]:
    """A model's decoder attends within the sequences of one row, for one forward pass."""
    token = IN_MODEL.set((model, places))
    try:
        with attending(model, NAME, sequence_attention):
            yield
    finally:
        IN_MODEL.reset(token)


def recomputing() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Around what is computed now, and around the same once more in the backward pass, which runs
    when the forward pass has ended, on a GPU in another thread (`context_fn` of
    `torch.utils.checkpoint.checkpoint`).
    """
    under_way = IN_MODEL.get(None)
    again = attending_by_sequences(*under_way) if under_way else nullcontext()
    return nullcontext(), again


@torch.compiler.disable  # places are no tensors that sizes could be told from
def sequence_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Causal attention within each sequence of one row, [1, T, H, D].

    `query` [1, H, T, D], `key` and `value` [1, K, T, D]. Raises ValueError for what it does not do.
    """
    if extra := [name for name in OTHER_KINDS if kwargs.get(name) is not None]:
        raise ValueError(
            f"{type(module).__name__} attends with {extra[0]}={kwargs[extra[0]]}, which shared "
            "prompts leave out; set module.layout=bucketed"
        )
    _, places = IN_MODEL.get()
    options: dict[str, Any] = {
        "is_causal": True,
        "scale": scaling,
        "dropout_p": dropout,
        "enable_gqa": True,
    }
    buckets = zip(*(_spread(x, places) for x in (query, key, value)), strict=True)
    mixed = [scaled_dot_product_attention(*bucket, **options) for bucket in buckets]
    mixed_NW = torch.cat([part_BHLD.transpose(1, 2).flatten(0, 1) for part_BHLD in mixed])
    collected_TW = Collect.apply(mixed_NW.flatten(1), places)
    return collected_TW.view(1, -1, query.shape[1], value.shape[-1]), None


def _spread(x: Tensor, places: SequencePlaces) -> list[Tensor]:
    """[B, K, L, D] of each bucket from [1, K, T, D]."""
    heads, size = x.shape[1], x.shape[-1]
    x_NW = Spread.apply(x[0].transpose(0, 1).flatten(1), places)
    rows = x_NW.split([rows * longest for rows, longest in places.buckets])
    return [
        part.view(*bucket, heads, size).transpose(1, 2)
        for part, bucket in zip(rows, places.buckets, strict=True)
    ]


class Spread(torch.autograd.Function):
    """[N, W] from [T, W]: each token at all of its places. Padding gets no gradient."""

    @staticmethod
    def forward(ctx: Any, x_TW: Tensor, places: SequencePlaces) -> Tensor:
        ctx.places = places
        return x_TW.index_select(0, places.token_N)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient_NW,), places = gradients, ctx.places
        gradient_TW = gradient_NW.index_select(0, places.first_T)
        copies_CW = gradient_NW.index_select(0, places.copy_C)
        return gradient_TW.index_add_(0, places.copied_C, copies_CW), None


class Collect(torch.autograd.Function):
    """[T, W] from [N, W]: each token from its first place."""

    @staticmethod
    def forward(ctx: Any, x_NW: Tensor, places: SequencePlaces) -> Tensor:
        ctx.places = places
        return x_NW.index_select(0, places.first_T)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient_TW,), places = gradients, ctx.places
        nothing_1W = gradient_TW.new_zeros(1, gradient_TW.shape[1])
        return torch.cat([gradient_TW, nothing_1W]).index_select(0, places.origin_N), None
