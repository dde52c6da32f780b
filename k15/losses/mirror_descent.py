"""Online policy mirror descent, the objective of k1.5.

Legend: B sequences of a micro-batch, T longest response in it, in tokens.
"""

from __future__ import annotations

import torch

from k15.losses.policy_loss import LossInputs, Result
from k15.losses.reduce import check_not_negative, masked_sum


def mirror_descent(
    inputs: LossInputs, *, tau: float, length_normalizer: float | None = None
) -> Result:
    """The loss whose gradient is minus eq. (3) of k1.5 (§2.3.2).

        −(1/S) Σ_j [ Σ_t A_t·log π_θ(y_t) − (τ/2)·( log π_θ(y_j|x)/π_i(y_j|x) )² ]

    log π(y|x) is the sum over a response's tokens in the mask. With A_t = r − r̄ for all tokens of a
    response, the first term is (r − r̄)·log π_θ(y_j|x), as in the paper. S = `sequences`: where
    every problem has k responses, this is the paper's mean over the k responses of a problem, then
    over problems.

    - `tau`: reward per squared nat, for whole responses; a τ for single tokens is another number.
    - `length_normalizer`: tokens; a constant that divides log π in both terms, so that τ and the
      learning rate need not follow the length of responses. None leaves it out, as the paper.

    Metrics, means over sequences: `sequence_log_ratio` |log π_θ(y|x)/π_i(y|x)| in nats,
    `squared_penalty` (τ/2)(...)² in units of reward; both after `length_normalizer`.

    Raises ValueError if `tau` is negative or `length_normalizer` not above 0.
    """
    check_not_negative(tau=tau)
    if length_normalizer is not None and length_normalizer <= 0:
        raise ValueError(
            f"length_normalizer={length_normalizer}: choose a number of tokens above 0, or null"
        )
    scale = 1.0 if length_normalizer is None else 1.0 / length_normalizer
    gain_B = masked_sum(inputs.advantage_BT * inputs.logp_BT, inputs.mask_BT) * scale
    log_ratio_B = inputs.log_ratio_BT.sum(-1) * scale
    penalty_B = (tau / 2) * log_ratio_B.square()
    loss = (penalty_B - gain_B).sum() / inputs.sequences
    with torch.no_grad():
        metrics = {
            "sequence_log_ratio": log_ratio_B.abs().sum() / inputs.sequences,
            "squared_penalty": penalty_B.sum() / inputs.sequences,
        }
    return loss, metrics
