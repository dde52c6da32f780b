"""Attention of one query per row, as decoding has it.

scaled_dot_product_attention is slow at that on a CPU, and copies the keys of grouped-query models.
While a model decodes, another function takes its place.

Legend: B rows, K key-value heads, X = B * K, G query heads per key-value head, L positions, D head
dimension.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from k15.models.attention import attending

NAME = "k15_decode"


def decode_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of one query per row, [B, K*G, 1, D], over the slots [B, K, L, D].

    `attention_mask` [B, 1, 1, L] is 0 where a row may look and -inf elsewhere. Everything else is a
    prefill and goes to scaled_dot_product_attention. Returns [B, 1, K*G, D].
    """
    if query.shape[2] > 1 or attention_mask is None or attention_mask.dtype == torch.bool:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
    if sliding_window is not None and sliding_window < key.shape[2]:
        attention_mask = attention_mask + window_mask(attention_mask, sliding_window)
    (rows, heads, limit, size), scale = key.shape, scaling or query.shape[-1] ** -0.5
    query_XGD = (query * scale).reshape(rows * heads, -1, size)
    score_XGL = torch.bmm(query_XGD, key.flatten(0, 1).transpose(1, 2))
    score_BKGL = score_XGL.view(rows, heads, -1, limit).add_(attention_mask)
    weight_BKGL = score_BKGL.softmax(-1, dtype=torch.float32).to(value.dtype)
    mixed_XGD = torch.bmm(weight_BKGL.view(rows * heads, -1, limit), value.flatten(0, 1))
    return mixed_XGD.view(rows, 1, -1, value.shape[-1]), None


def window_mask(mask_B11L: Tensor, sliding_window: int) -> Tensor:
    """-inf on positions that lie `sliding_window` or more before the row's last one."""
    last_B111 = (mask_B11L == 0).sum(-1, keepdim=True) - 1
    place_L = torch.arange(mask_B11L.shape[-1], device=mask_B11L.device)
    too_far_B11L = place_L <= last_B111 - sliding_window
    return torch.zeros_like(mask_B11L).masked_fill_(too_far_B11L, -torch.inf)


@contextmanager
def decoding(model: Any) -> Iterator[None]:
    """Evaluation mode and `decode_attention`; afterwards each module and config is as before."""
    with evaluating(model), attending(model, NAME, decode_attention):
        yield


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Evaluation mode; afterwards each module is as before."""
    trained = [module for module in model.modules() if module.training]
    try:
        model.eval()
        yield
    finally:
        for module in trained:
            module.training = True
