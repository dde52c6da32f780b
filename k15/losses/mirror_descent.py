"""Online policy mirror descent, the objective of k1.5.

Legend: B sequences of a micro-batch, T longest response in it, in tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from k15.losses.reduce import check_not_negative, check_shapes, log_ratio, masked_sum


def mirror_descent(
    logp_BT: Tensor,
    reference_logp_BT: Tensor,
    advantage_B: Tensor,
    mask_BT: Tensor,
    *,
    sequences: float,
    tokens: float,
    tau: float,
    length_normalizer: float | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss whose gradient is minus eq. (3) of k1.5 (§2.3.2).

        −(1/S) Σ_j [ A_j·log π_θ(y_j|x) − (τ/2)·( log π_θ(y_j|x)/π_i(y_j|x) )² ],   A = r − r̄

    log π(y|x) is the sum over a response's tokens in the mask. S = `sequences`: every problem has k
    responses, so this is the paper's mean over the k responses of a problem, then over problems.

    Arguments, beside those of `PolicyLoss`:

    - `tau`: reward per squared nat, for whole responses; a τ for single tokens is another number.
    - `length_normalizer`: tokens; a constant that divides log π(y|x) in both terms, so that τ and
      the learning rate need not follow the length of responses. None leaves it out, as the paper.

    Metrics, means over sequences: `sequence_log_ratio` |log π_θ(y|x)/π_i(y|x)| in nats,
    `squared_penalty` (τ/2)(...)² in units of reward; both after `length_normalizer`.

    Raises ValueError if shapes do not fit, `tau` is negative or `length_normalizer` not above 0.
    """
    check_shapes(logp_BT, reference_logp_BT, advantage_B, mask_BT)
    check_not_negative(tau=tau)
    if length_normalizer is not None and length_normalizer <= 0:
        raise ValueError(
            f"length_normalizer={length_normalizer}: choose a number of tokens above 0, or null"
        )
    scale = 1.0 if length_normalizer is None else 1.0 / length_normalizer
    logp_B = masked_sum(logp_BT, mask_BT) * scale
    log_ratio_B = log_ratio(logp_BT, reference_logp_BT, mask_BT).sum(-1) * scale
    penalty_B = (tau / 2) * log_ratio_B.square()
    loss = (penalty_B - advantage_B * logp_B).sum() / sequences
    with torch.no_grad():
        metrics = {
            "sequence_log_ratio": log_ratio_B.abs().sum() / sequences,
            "squared_penalty": penalty_B.sum() / sequences,
        }
    return loss, metrics
