"""Which hidden state predicts which response token, whatever the layout.

Legend: S sequences, R longest response.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from k15.types import Example

if TYPE_CHECKING:
    from k15.models.policy import Expanded


def response_targets(
    examples: Sequence[Example], before_S: np.ndarray, first_S: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """source_index, targets and mask of a `PackedBatch`, each [S, R].

    `before_S` are the flat indices of the prompts' last tokens, which predict the first response
    tokens; `first_S` those of the first response tokens, behind which the others follow.
    """
    lengths = np.array([len(example.response_tokens) for example in examples])
    column_R = np.arange(lengths.max())
    real_SR = column_R < lengths[:, None]
    source_SR = np.where(column_R == 0, before_S[:, None], first_S[:, None] + column_R - 1)
    targets_SR, mask_SR = np.zeros(real_SR.shape, dtype=np.int64), np.zeros_like(real_SR)
    targets_SR[real_SR] = np.concatenate([np.array(e.response_tokens, int) for e in examples])
    mask_SR[real_SR] = np.concatenate([_loss_mask(example) for example in examples])
    return np.where(real_SR, source_SR, 0), targets_SR, mask_SR


def _loss_mask(example: Example) -> np.ndarray:
    return np.array(example.loss_mask or (True,) * len(example.response_tokens), dtype=bool)


def picture_features(sequences: Sequence[Expanded]) -> dict[str, Tensor]:
    """Picture inputs of all sequences, in the order in which their placeholders stand."""
    parts = [sequence.features for sequence in sequences if sequence.features]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]} if parts else {}
