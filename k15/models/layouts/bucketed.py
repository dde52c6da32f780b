"""Sequences of similar length side by side, padded on the right.

Causal attention never looks at the padding, so no mask is needed.

Legend: S sequences, which are the rows, L longest of them, A axes of rotary positions.
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


class Bucketed:
    """Rows × longest tokens in a micro-batch: padding counts."""

    name: Name = "bucketed"

    def plan(
        self, policy: Policy, examples: Sequence[Example], tokens_per_microbatch: int
    ) -> list[list[int]]:
        """As `Layout.plan`, the longest ones first."""
        lengths = [expanded_length(policy, example) for example in examples]
        return side_by_side(lengths, tokens_per_microbatch)

    def collate(self, policy: Policy, examples: Sequence[Example]) -> PackedBatch:
        """As `Layout.collate`."""
        sequences = expanded(policy, examples)
        lengths = np.array([len(sequence.tokens) for sequence in sequences])
        ends_S = np.arange(len(lengths)) * lengths.max() + lengths
        pad = policy.tokenizer.pad_token_id or 0
        return predicted(
            policy,
            examples,
            lengths.tolist(),
            ends_S,
            tokens=torch.from_numpy(tokens_padded(sequences, lengths, pad)),
            positions=positions_padded(sequences, lengths),
            features=joined([sequence.features for sequence in sequences]),
        )


def side_by_side(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Indices of the sequences of each batch, the longest ones first; rows × longest is at most
    `budget` tokens. Raises ValueError if that is below 1.
    """
    check_budget(budget)
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def tokens_padded(sequences: Sequence[Expanded], lengths: np.ndarray, pad: int) -> np.ndarray:
    """[S, L]."""
    real_SL = np.arange(lengths.max()) < lengths[:, None]
    tokens_SL = np.full(real_SL.shape, pad)
    tokens_SL[real_SL] = np.concatenate([np.array(sequence.tokens) for sequence in sequences])
    return tokens_SL


def positions_padded(sequences: Sequence[Expanded], lengths: np.ndarray) -> Tensor:
    """[S, L] or [A, S, L]. Padding counts on from 0: a restart would look like a packed row to
    transformers' mask functions.
    """
    axes = sequences[0].positions.shape[:-1]
    positions = torch.arange(lengths.max()).repeat(*axes, len(sequences), 1)
    for row, sequence in enumerate(sequences):
        positions[..., row, : len(sequence.tokens)] = sequence.positions
    return positions
