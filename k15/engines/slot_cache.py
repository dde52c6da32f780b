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

KeysValues = tuple[Tensor, Tensor]
CAPACITY_STEP = 64  # positions; slots grow by this much when the longest row needs more


@dataclass(slots=True)
class Window:
    """What the next forward pass writes and reads, shared by all layers."""

    slots: int
    capacity: int = 0
    limit: int = 0
    """Positions of the longest active row, the new token included."""
    row_B: Tensor = field(default_factory=torch.Tensor)
    position_B: Tensor = field(default_factory=torch.Tensor)
    """[B] where in its slot each active row writes."""


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer.

    Keys are stored transposed, [S, K, D, capacity], values as [S, K, capacity, D]: the two small
    matrix products of decoding then both read memory in order.
    """

    is_sliding = False
    keys_SKDL: Tensor
    values_SKLD: Tensor

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.window = window

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        slots, capacity = self.window.slots, self.window.capacity
        (_, heads, _, key_size), value_size = key_states.shape, value_states.shape[-1]
        # Zeros, because a masked position still takes part as 0 * value: it must not hold a NaN.
        self.keys_SKDL = key_states.new_zeros(slots, heads, key_size, capacity)
        self.values_SKLD = value_states.new_zeros(slots, heads, capacity, value_size)
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write [B, K, 1, D] and return views [B, K, limit, D]."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        row_B, position_B, limit = self.window.row_B, self.window.position_B, self.window.limit
        self.keys_SKDL[row_B, :, :, position_B] = key_states[:, :, 0]
        self.values_SKLD[row_B, :, position_B] = value_states[:, :, 0]
        active = slice(len(key_states))
        return self.keys_SKDL[active, ..., :limit].transpose(2, 3), self.values_SKLD[
            active, :, :limit
        ]

    def grow(self, capacity: int) -> None:
        """Give every slot more positions."""
        if self.is_initialized:
            old_keys, old_values, length = (
                self.keys_SKDL,
                self.values_SKLD,
                self.keys_SKDL.shape[-1],
            )
            self.lazy_initialization(old_keys.transpose(2, 3), old_values)
            self.keys_SKDL[..., :length] = old_keys
            self.values_SKLD[:, :, :length] = old_values

    def write(self, first_row: int, keys_BKLD: Tensor, values_BKLD: Tensor) -> None:
        """Fill the slots from `first_row` on, from their beginning."""
        if not self.is_initialized:
            self.lazy_initialization(keys_BKLD, values_BKLD)
        rows, length = slice(first_row, first_row + len(keys_BKLD)), keys_BKLD.shape[2]
        self.keys_SKDL[rows, ..., :length] = keys_BKLD.transpose(2, 3)
        self.values_SKLD[rows, :, :length] = values_BKLD

    def move(self, source_B: Tensor, target_B: Tensor) -> None:
        """Copy the rows `source_B` over the rows `target_B`."""
        limit = self.window.limit
        self.keys_SKDL[target_B, ..., :limit] = self.keys_SKDL[source_B, ..., :limit]
        self.values_SKLD[target_B, :, :limit] = self.values_SKLD[source_B, :, :limit]

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
        self.slot_layers = [SlotLayer(self.window) for _ in range(layers)]
        super().__init__(layers=list(self.slot_layers))

    def point(self, row_B: Tensor, position_B: Tensor, limit: int) -> None:
        """Say where the next forward pass writes; all positions are below `limit`."""
        self.reserve(limit)
        self.window.row_B, self.window.position_B, self.window.limit = row_B, position_B, limit

    def reserve(self, limit: int) -> None:
        """Make room for `limit` positions in every slot."""
        if limit > self.window.capacity:
            self.window.capacity = -(-limit // CAPACITY_STEP) * CAPACITY_STEP
            for layer in self.slot_layers:
                layer.grow(self.window.capacity)

    def write(self, first_row: int, prefix: Sequence[KeysValues], chosen: Sequence[int]) -> None:
        """Copy the chosen ones of P prefilled prompts into the slots from `first_row` on.

        `prefix` has [P, K, L, D] keys and values of each layer.
        """
        self.reserve(prefix[0][0].shape[2])
        chosen_B = torch.tensor(chosen, device=prefix[0][0].device)
        for layer, (keys, values) in zip(self.slot_layers, prefix, strict=True):
            layer.write(first_row, keys[chosen_B], values[chosen_B])

    def move(self, source_B: Tensor, target_B: Tensor) -> None:
        """Copy the rows `source_B` over the rows `target_B`."""
        for layer in self.slot_layers:
            layer.move(source_B, target_B)
