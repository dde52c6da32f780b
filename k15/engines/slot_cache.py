"""A key-value cache in slots: one row per response, each row at a position of its own.

It sits under the model's own forward. While decoding, `update` writes one token per active row
where that row stands and returns views of the active rows, cut at the longest of them: nothing is
concatenated and nothing is copied, however different the lengths are.

Legend: S slots, B active rows (the first ones), P prompts, K key-value heads, L positions, D head
dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
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
    rows: int = 0
    """B, the active rows."""
    limit: int = 0
    """Positions of the longest active row, the new token included."""
    position_B: Tensor | None = None
    """[B] where in its slot each row writes."""
    index: dict[int, Tensor] = field(default_factory=dict)
    """By number of heads K: [B * K] flat index of the written vectors into S * K * capacity."""

    def move(self, position_B: Tensor, limit: int) -> None:
        self.rows, self.limit, self.position_B = len(position_B), limit, position_B
        self.index.clear()

    def flat_index(self, heads: int) -> Tensor:
        if heads not in self.index:
            device = self.position_B.device
            vectors_BK = torch.arange(self.rows * heads, device=device).view(-1, heads)
            self.index[heads] = (vectors_BK * self.capacity + self.position_B[:, None]).flatten()
        return self.index[heads]


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer, [S, K, capacity, D] each."""

    is_sliding = False

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        # Zeros, because a masked position still takes part as 0 * value: it must not hold a NaN.
        self.keys, self.values = (
            states.new_zeros(self.window.slots, states.shape[1], self.window.capacity, states.shape[3])
            for states in (key_states, value_states)
        )
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write [B, K, 1, D] and return the views [B, K, limit, D]."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        window = self.window
        index = window.flat_index(key_states.shape[1])
        for slots_SKLD, new_BK1D in ((self.keys, key_states), (self.values, value_states)):
            size = slots_SKLD.shape[-1]
            slots_SKLD.view(-1, size).index_copy_(0, index, new_BK1D.reshape(-1, size))
        active = (slice(window.rows), slice(None), slice(window.limit))
        return self.keys[active], self.values[active]

    def grow(self, capacity: int) -> None:
        if self.is_initialized:
            more = (0, 0, 0, capacity - self.keys.shape[2])
            self.keys = torch.nn.functional.pad(self.keys, more)
            self.values = torch.nn.functional.pad(self.values, more)

    def write(self, first_row: int, source: CacheLayerMixin, chosen_B: Tensor) -> None:
        """Copy rows of a prefilled layer, [P, K, L, D], into the slots from `first_row` on."""
        if not self.is_initialized:
            self.lazy_initialization(source.keys, source.values)
        rows = slice(first_row, first_row + len(chosen_B))
        length = source.keys.shape[2]
        self.keys[rows, :, :length] = source.keys[chosen_B]
        self.values[rows, :, :length] = source.values[chosen_B]

    def move(self, source_B: Tensor, target_B: Tensor, limit: int) -> None:
        self.keys[target_B, :, :limit] = self.keys[source_B, :, :limit]
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

    def point(self, position_B: Tensor, limit: int) -> None:
        """Say where the next forward pass writes: row b at `position_B[b]`, all below `limit`."""
        self.reserve(limit)
        self.window.move(position_B, limit)

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

    def move_rows(self, source_B: Tensor, target_B: Tensor) -> None:
        """Copy the rows `source_B` over the rows `target_B`."""
        for layer in self.layers:
            layer.move(source_B, target_B, self.window.limit)
