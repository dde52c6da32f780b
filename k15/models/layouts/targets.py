"""Which hidden state predicts which response token, whatever the layout.

Legend: S sequences, R longest response, B rows, L longest of them, A axes of rotary positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from k15.types import Example, PackedBatch

if TYPE_CHECKING:
    from k15.models.policy import Policy


def predicted(
    policy: Policy,
    examples: Sequence[Example],
    lengths: Sequence[int],
    ends_S: np.ndarray,
    *,
    tokens: Tensor,
    positions: Tensor,
    features: dict[str, Tensor],
) -> PackedBatch:
    """`tokens` [B, L] of whole sequences, `positions` [B, L] or [A, B, L] and picture features,
    with the places that predict the responses; all on the policy's device.

    `ends_S` are the flat indices into B*L behind each sequence, which has `lengths` [S] tokens.
    """
    first_S = ends_S - np.array([len(example.response_tokens) for example in examples])
    targets = response_targets(examples, first_S - 1, first_S)
    source, target, mask = (torch.from_numpy(each).to(policy.device) for each in targets)
    return PackedBatch(
        tokens=tokens.to(policy.device),
        positions=positions.to(policy.device),
        sequence_lengths=tuple(lengths),
        features={name: value.to(policy.device) for name, value in features.items()},
        source_index=source,
        targets=target,
        mask=mask,
    )


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
