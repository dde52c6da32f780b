"""All sequences end to end in one row, for devices whose attention takes variable lengths.

transformers keeps them apart where the positions restart, in sliding windows too.

Legend: S sequences, L tokens of the row, A axes of rotary positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from k15.models.layouts.base import Name, check_budget, expanded, expanded_length
from k15.models.layouts.batch import PackedBatch
from k15.models.layouts.targets import predicted
from k15.models.placeholders import joined
from k15.types import Example

if TYPE_CHECKING:
    from k15.models.policy import Expanded, Policy


class Packed:
    """The sum of the lengths in a micro-batch: no padding."""

    name: Name = "packed"

    def plan(
        self, policy: Policy, examples: Sequence[Example], tokens_per_microbatch: int
    ) -> list[list[int]]:
        """As `Layout.plan`, the longest ones first."""
        lengths = [expanded_length(policy, example) for example in examples]
        return end_to_end(lengths, tokens_per_microbatch)

    def collate(self, policy: Policy, examples: Sequence[Example]) -> PackedBatch:
        """As `Layout.collate`."""
        sequences = expanded(policy, examples)
        lengths = [len(sequence.tokens) for sequence in sequences]
        tokens = [token for sequence in sequences for token in sequence.tokens]
        return predicted(
            policy,
            examples,
            lengths,
            np.cumsum(lengths),
            tokens=torch.tensor([tokens]),
            positions=positions_packed(sequences),
            features=joined([sequence.features for sequence in sequences]),
        )


def end_to_end(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices of the sequences of each batch, the longest ones first, each in the first batch with
    room. Raises ValueError if the budget is below 1.
    """
    check_budget(budget)
    batches: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        place = next((i for i, left in enumerate(room) if lengths[index] <= left), len(room))
        if place == len(room):
            batches.append([])
            room.append(budget)
        batches[place].append(index)
        room[place] -= lengths[index]
    return batches


def positions_packed(sequences: Sequence[Expanded]) -> Tensor:
    """[1, L], or [1 + A, 1, L]: in front of multimodal positions stands an axis that counts the
    tokens of each sequence, which transformers looks at to tell sequences apart.
    """
    positions = torch.cat([sequence.positions for sequence in sequences], -1).unsqueeze(-2)
    if positions.ndim == 2:
        return positions
    text_L = torch.cat([torch.arange(len(sequence.tokens)) for sequence in sequences])
    return torch.cat([text_L.expand(1, 1, -1), positions])
