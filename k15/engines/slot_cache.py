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

from k15.engines.autocast import computed_in

KeysValues = tuple[Tensor, Tensor]
SMALLEST_CAPACITY = 256  # positions


@dataclass(slots=True)
class Window:
    """What the next forward pass writes and reads, shared by all layers."""

    slots: int
    capacity: int = 0
    limit: int = 0
    """Positions of the longest active row, the new token included."""
    position_B: Tensor = field(default_factory=torch.Tensor)
    """[B] where in its slot each active row writes."""
    index_by_heads: dict[int, Tensor] = field(default_factory=dict)

    def move(self, position_B: Tensor, limit: int) -> None:
        """Go to the next forward pass."""
        self.position_B, self.limit = position_B, limit
        self.index_by_heads.clear()

    def flat_index(self, heads: int) -> Tensor:
        """[B * K] where the vectors of the new tokens lie among S * K * capacity."""
        if heads not in self.index_by_heads:
            rows, device = len(self.position_B), self.position_B.device
            head_BK = torch.arange(rows * heads, device=device).view(rows, heads)
            index_BK = head_BK * self.capacity + self.position_B[:, None]
            self.index_by_heads[heads] = index_BK.flatten()
        return self.index_by_heads[heads]


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer."""

    is_sliding = False
    keys: Tensor
    """[S, K, capacity, D], as values."""
    values: Tensor

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        # Zeros, because a masked position still takes part as 0 * value: it must not hold a NaN.
        self.keys, self.values = (
            states.new_zeros(
                (self.window.slots, states.shape[1], self.window.capacity, states.shape[3]),
                dtype=computed_in(states),
            )
            for states in (key_states, value_states)
        )
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> KeysValues:
        """Write [B, K, 1, D] and return views [B, K, limit, D]."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        rows, heads = key_states.shape[:2]
        index = self.window.flat_index(heads)
        for slots, new in ((self.keys, key_states), (self.values, value_states)):
            size = new.shape[-1]
            slots.view(-1, size).index_copy_(0, index, new.reshape(-1, size).to(slots.dtype))
        limit = self.window.limit
        return self.keys[:rows, :, :limit], self.values[:rows, :, :limit]

    def grow(self) -> None:
        """Add zeros up to the window's capacity."""
        if self.is_initialized:
            old = (self.keys, self.values)
            self.lazy_initialization(*old)
            self.write(0, *old)

    def write(self, first_row: int, keys_BKLD: Tensor, values_BKLD: Tensor) -> None:
        """Fill the slots from `first_row` on, from their beginning."""
        if not self.is_initialized:
            self.lazy_initialization(keys_BKLD, values_BKLD)
        rows, length = slice(first_row, first_row + len(keys_BKLD)), keys_BKLD.shape[2]
        self.keys[rows, :, :length] = keys_BKLD
        self.values[rows, :, :length] = values_BKLD

    def move(self, source_B: Tensor, target_B: Tensor) -> None:
        """Copy the rows `source_B` over the rows `target_B`."""
        limit = self.window.limit
        for slots in (self.keys, self.values):
            slots[target_B, :, :limit] = slots[source_B, :, :limit]

    def get_seq_length(self) -> int:
        return self.window.limit

    def get_max_length(self) -> int:
        return self.window.capacity

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.window.limit, 0


class SlotCache(Cache):
    """S slots of the same capacity, which grows with the longest row, at most to `longest`."""

    def __init__(self, slots: int, layers: int) -> None:
        self.window = Window(slots)
        self.longest = 0
        """Positions that no row will go beyond, as far as is known."""
        self.slot_layers = [SlotLayer(self.window) for _ in range(layers)]
        super().__init__(layers=list(self.slot_layers))

    def point(self, position_B: Tensor, limit: int) -> None:
        """Say where the next forward pass writes; all positions are below `limit`."""
        self.reserve(limit)
        self.window.move(position_B, limit)

    def reserve(self, limit: int) -> None:
        """Make room for `limit` positions in every slot: twice the room, as far as is of use."""
        if limit > self.window.capacity:
            ample = max(limit, 2 * self.window.capacity, SMALLEST_CAPACITY)
            self.window.capacity = min(ample, self.longest)
            for layer in self.slot_layers:
                layer.grow()

    def write(self, first_row: int, prefix: Sequence[KeysValues], chosen: Sequence[int]) -> None:
        """Copy the chosen ones of P prefilled prompts into the slots from `first_row` on.

        `prefix` has keys and values, [P, K, L, D], of each layer.
        """
        self.reserve(prefix[0][0].shape[2])
        chosen_B = torch.tensor(chosen, device=prefix[0][0].device)
        for layer, (keys, values) in zip(self.slot_layers, prefix, strict=True):
            layer.write(first_row, keys[chosen_B], values[chosen_B])

    def move(self, source_B: Tensor, target_B: Tensor) -> None:
        """Copy the rows `source_B` over the rows `target_B`."""
        for layer in self.slot_layers:
            layer.move(source_B, target_B)
