"""Which hidden state predicts which response token, whatever the layout.

Legend: S sequences, R longest response, B rows, L longest of them, A axes of rotary positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from k15.models.layouts.base import expanded_response
from k15.models.layouts.batch import PackedBatch
from k15.types import Example

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
    examples = [expanded_response(policy, example) for example in examples]
    first_S = ends_S - np.array([len(example.response_tokens) for example in examples])
    device = policy.device
    return PackedBatch(
        tokens=sent(tokens, device),
        positions=sent(positions, device),
        sequence_lengths=tuple(lengths),
        places=None,
        features={name: sent(value, device) for name, value in features.items()},
        **response_targets(examples, first_S - 1, first_S, device),
    )


def response_targets(
    examples: Sequence[Example], before_S: np.ndarray, first_S: np.ndarray, device: torch.device
) -> dict[str, Tensor]:
    """source_index, targets, mask and response_index of a `PackedBatch`.

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
    arrays = {
        "source_index": np.where(real_SR, source_SR, 0),
        "targets": targets_SR,
        "mask": mask_SR,
        "response_index": np.flatnonzero(real_SR),
    }
    return {name: sent(torch.from_numpy(array), device) for name, array in arrays.items()}


def sent(x: Tensor, device: torch.device | None) -> Tensor:
    """On its way to the device, which nobody waits for: what it computes before need not be
    done.
    """
    return x.to(device, non_blocking=True)


def _loss_mask(example: Example) -> np.ndarray:
    return np.array(example.loss_mask or (True,) * len(example.response_tokens), dtype=bool)
