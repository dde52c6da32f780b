"""A key-value cache in slots: one row per response, each row at a position of its own.

It sits under the model's own forward. While decoding, `update` writes one token per active row
where that row stands and returns views of the active rows, cut at the longest of them: nothing is
concatenated and nothing is copied, however different the lengths are.

Legend: S slots, B active rows (the first ones), P prompts, K key-value heads, L positions, D head
dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

CAPACITY_STEP = 64  # positions; slots grow by this much when the longest row needs more


@dataclass(slots=True)
class Window:
    """What the next forward pass writes and reads, shared by all layers."""

    slots: int
    capacity: int = 0
    limit: int = 0
    """Positions of the longest active row, the new token included."""
    row_B: Tensor | None = None
    position_B: Tensor | None = None
    """[B] where in its slot each active row writes."""


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer.

    Keys are stored transposed, [S, K, D, capacity], values as [S, K, capacity, D]: the two small
    matrix products of decoding then both read memory in order.
    """

    is_sliding = False

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        slots, capacity = self.window.slots, self.window.capacity
        (_, heads, _, key_size), value_size = key_states.shape, value_states.shape[-1]
        # Zeros, because a masked position still takes part as 0 * value: it must not hold a NaN.
        self.keys = key_states.new_zeros(slots, heads, key_size, capacity)
        self.values = value_states.new_zeros(slots, heads, capacity, value_size)
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write [B, K, 1, D] and return views [B, K, limit, D]."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        row_B, position_B, limit = self.window.row_B, self.window.position_B, self.window.limit
        self.keys[row_B, :, :, position_B] = key_states[:, :, 0]
        self.values[row_B, :, position_B] = value_states[:, :, 0]
        active = slice(len(key_states))
        return self.keys[active, ..., :limit].transpose(2, 3), self.values[active, :, :limit]

    def grow(self, capacity: int) -> None:
        """Give every slot more positions."""
        if self.is_initialized:
            old_keys, old_values, old = self.keys, self.values, self.keys.shape[-1]
            self.lazy_initialization(old_keys.transpose(2, 3), old_values)
            self.keys[..., :old], self.values[:, :, :old] = old_keys, old_values

    def write(self, first_row: int, source: CacheLayerMixin, chosen_B: Tensor) -> None:
        """Copy rows of a prefilled layer, [P, K, L, D], into the slots from `first_row` on."""
        if not self.is_initialized:
            self.lazy_initialization(source.keys, source.values)
        rows, length = slice(first_row, first_row + len(chosen_B)), source.keys.shape[2]
        self.keys[rows, ..., :length] = source.keys[chosen_B].transpose(2, 3)
        self.values[rows, :, :length] = source.values[chosen_B]

    def move(self, source_B: Tensor, target_B: Tensor) -> None:
        """Copy the rows `source_B` over the rows `target_B`."""
        limit = self.window.limit
        self.keys[target_B, ..., :limit] = self.keys[source_B, ..., :limit]
        self.values[target_B, :, :limit] = self.values[source_B, :, :limit]

    def get_seq_length(self) -> int:
        return self.window.limit

    def get_max_length(self) -> int:
        return self.window.capacity

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.window.limit, 0


class SlotCache(Cache):
    """S slots that grow together. Memory is S * positions of the longest row."""

    def __init__(self, slots: int, layers: int) -> None:
        self.window = Window(slots)
        super().__init__(layers=[SlotLayer(self.window) for _ in range(layers)])

    def point(self, row_B: Tensor, position_B: Tensor, limit: int) -> None:
        """Say where the next forward pass writes; all positions are below `limit`."""
        self.reserve(limit)
        self.window.row_B, self.window.position_B, self.window.limit = row_B, position_B, limit

    def reserve(self, limit: int) -> None:
        """Make room for `limit` positions in every slot."""
        if limit > self.window.capacity:
            self.window.capacity = -(-limit // CAPACITY_STEP) * CAPACITY_STEP
            for layer in self.layers:
                layer.grow(self.window.capacity)

    def write(self, first_row: int, source: Cache, chosen: Sequence[int]) -> None:
        """Copy chosen rows of a prefilled cache into the slots from `first_row` on."""
        self.reserve(source.layers[0].keys.shape[2])
        chosen_B = torch.tensor(chosen, device=source.layers[0].keys.device)
        for layer, prefilled in zip(self.layers, source.layers, strict=True):
            layer.write(first_row, prefilled, chosen_B)

    def move(self, source_B: Tensor, target_B: Tensor) -> None:
        """Copy the rows `source_B` over the rows `target_B`."""
        for layer in self.layers:
            layer.move(source_B, target_B)
