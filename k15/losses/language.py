"""Next-token cross-entropy, for pretraining and supervised fine-tuning.

Legend: B sequences of a micro-batch, T longest response in it, in tokens.
"""

from __future__ import annotations

from torch import Tensor

from k15.losses.reduce import check_mask, masked_sum


def cross_entropy(
    logp_BT: Tensor, mask_BT: Tensor, *, tokens: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """−(1/N) Σ log π_θ(y_t) over the tokens in the mask, in nats per token; N = `tokens`.

    - `logp_BT` [B, T] nats: log π_θ of each target token; carries the gradient.
    - `mask_BT` [B, T] bool: tokens in the loss; what the others hold has no influence.
    - `tokens`: tokens in the loss of the whole minibatch, over all micro-batches and ranks, so that
      losses of micro-batches add up.

    It has no metrics. Raises ValueError if shapes differ.
    """
    if logp_BT.shape != mask_BT.shape:
        raise ValueError(
            f"logp_BT {tuple(logp_BT.shape)} and mask_BT {tuple(mask_BT.shape)} must be the same"
        )
    check_mask(mask_BT)
    return -masked_sum(logp_BT, mask_BT).sum() / tokens, {}
