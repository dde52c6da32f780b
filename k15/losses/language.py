"""Next-token cross-entropy, for pretraining and supervised fine-tuning.

Legend: B sequences of a batch, T longest response in it, in tokens.
"""

from __future__ import annotations

from torch import Tensor

from k15.losses.reduce import check_mask, masked_sum
from k15.losses.terms import Terms


def cross_entropy(logp_BT: Tensor, right_BT: Tensor, mask_BT: Tensor) -> Terms:
    """−log π_θ(y_t) of each token in the mask, in nats.

    - `logp_BT` [B, T] nats: log π_θ of each target token; carries the gradient.
    - `right_BT` [B, T] bool: the target is the most probable token.
    - `mask_BT` [B, T] bool: tokens in the loss; what the others hold has no influence.

    The metric `token_accuracy` is the share of targets that are the most probable token,
    `sequence_accuracy` the share of sequences in which all are: what greedy decoding writes.
    Raises ValueError if shapes differ.
    """
    if not logp_BT.shape == right_BT.shape == mask_BT.shape:
        raise ValueError(
            f"logp_BT {tuple(logp_BT.shape)}, right_BT {tuple(right_BT.shape)} and mask_BT "
            f"{tuple(mask_BT.shape)} must be the same"
        )
    check_mask(mask_BT)
    return Terms(
        loss=-masked_sum(logp_BT, mask_BT).sum(),
        count=int(mask_BT.sum()),
        metrics={"token_accuracy": (right_BT & mask_BT).sum()},
        others={"sequence_accuracy": ((right_BT | ~mask_BT).all(-1).sum(), len(mask_BT))},
    )


def z_loss(log_z_BT: Tensor, mask_BT: Tensor, weight: float) -> Tensor:
    """weight · Σ log² Z of the tokens in the mask, a scalar: it keeps the logits from drifting,
    which cross-entropy does not see (Chowdhery et al. 2022, arXiv 2204.02311, §5, with 1e-4).

    `log_z_BT` [B, T] nats: log Z = logsumexp of the logits; carries the gradient.
    """
    check_mask(mask_BT)
    return weight * masked_sum(log_z_BT.square(), mask_BT).sum()
