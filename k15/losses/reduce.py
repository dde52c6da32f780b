"""What every loss shares: checks of its inputs, masked sums, how far the policy has moved.

Legend: B sequences of a micro-batch, T longest response in it, in tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor


def check_mask(mask_BT: Tensor) -> None:
    """Raise ValueError unless the mask is boolean."""
    if mask_BT.dtype != torch.bool:
        raise ValueError(f"mask_BT is {mask_BT.dtype}: pass a bool mask, e.g. mask_BT.bool()")


def check_not_negative(**hyperparameters: float) -> None:
    """Raise ValueError naming the first hyperparameter below 0."""
    for name, value in hyperparameters.items():
        if value < 0:
            raise ValueError(f"{name}={value}: choose 0 or more")


def masked_sum(x_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """[B] sum of each row where the mask is True; what stands elsewhere has no influence."""
    return torch.where(mask_BT, x_BT, 0.0).sum(-1)


def log_ratio(logp_BT: Tensor, reference_logp_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """[B, T] log π_θ/π_i in nats, 0 outside the mask: exponentials of it stay finite there."""
    return torch.where(mask_BT, logp_BT - reference_logp_BT.detach(), 0.0)


def k3(log_ratio_BT: Tensor) -> Tensor:
    """exp(d) − d − 1 with d = log π_i/π_θ: never negative; its mean over samples of π_θ is
    KL(π_θ ‖ π_i) (DeepSeekMath 2402.03300 eq. 4).
    """
    return torch.expm1(-log_ratio_BT) + log_ratio_BT


def drift(log_ratio_BT: Tensor, tokens: float) -> dict[str, Tensor]:
    """How far the policy is from the reference, in nats per token.

    `approx_kl` is the mean of `k3`, `abs_log_ratio` the mean of |log π_θ/π_i|. `log_ratio_BT` is 0
    outside the mask.
    """
    with torch.no_grad():
        return {
            "approx_kl": k3(log_ratio_BT).sum() / tokens,
            "abs_log_ratio": log_ratio_BT.abs().sum() / tokens,
        }
