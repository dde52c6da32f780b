"""Sequences laid out for the model: what a layout collates, and what all of its readers go by.

Legend: B rows, L longest of them, S sequences, R longest response, T tokens of a row, N places, C
copies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class SequencePlaces:
    """Where the T tokens of a packed row stand when its sequences are spread out for attention.

    Sequences of similar length form a bucket and are padded on the right to its longest; the N
    places of all buckets follow each other. A prompt that several responses share has a place in
    front of each of them: its first places, and C copies.
    """

    buckets: tuple[tuple[int, int], ...]
    """(sequences, longest of them) of each."""
    token_N: Tensor
    """The token at each place; any one where there is padding."""
    first_T: Tensor
    """The first place of each token."""
    origin_N: Tensor
    """The token whose first place this is; T where there is none."""
    copy_C: Tensor
    """The other places of tokens that have several,"""
    copied_C: Tensor
    """and which tokens these are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBatch:
    """S sequences laid out for one forward pass: padded side by side, or in one row.

    Either way the model sees `tokens` [B, L]: bucketed, B = S rows with padding on the right;
    packed, B = 1 row of all sequences end to end, whose positions restart; shared, a row in which
    each prompt stands once, and `places` says what belongs together. `source_index` says where each
    response token is predicted.
    """

    tokens: Tensor
    """[B, L] token ids, pictures expanded to one placeholder per visual token."""
    positions: Tensor
    """[B, L], or for models with multimodal rotary positions [3, B, L], [4, B, L] if packed;
    restarts at 0 in each sequence.
    """
    sequence_lengths: tuple[int, ...]
    """[S] true lengths."""
    places: SequencePlaces | None = None
    features: Mapping[str, Tensor] = field(default_factory=dict)
    """Picture inputs under the names the model's forward takes (pixel_values, image_grid_thw,
    ...).
    """
    source_index: Tensor
    """[S, R] flat index into B*L of the hidden state that predicts response token r; 0 where there
    is none.
    """
    targets: Tensor
    """[S, R] response token ids; 0 where there is none."""
    mask: Tensor
    """[S, R] bool: a response token that counts in the loss."""
    response_index: Tensor
    """[N] flat index into S*R of each response token."""
