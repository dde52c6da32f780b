"""Correct any policy loss for an engine that samples from a slightly different policy, be it by
arithmetic or by older weights.

Legend: B sequences of a micro-batch, T longest response in it, in tokens.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from k15.losses.policy_loss import LossInputs, PolicyLoss, Result
from k15.losses.reduce import log_ratio


def truncated_importance(inputs: LossInputs, *, loss: PolicyLoss, cap: float) -> Result:
    """`loss` with A_t·w_t in place of A_t,   w_t = min( π_i(y_t)/μ(y_t), cap ).

    μ is the policy that sampled a token: the engine's arithmetic differs from the trainer's, and
    tokens of older segments come from older weights. Without `cap` the weight would be the exact
    importance weight of the token; the truncation bounds its variance (truncated importance
    sampling, Ionides 2008; of engines and trainers: Yao et al. 2025, "Your efficient RL framework
    secretly brings you off-policy RL training"). What a loss holds beside its advantages (a
    penalty, a clip of π_θ/π_i) stays as it is.

    Metrics beside those of `loss`, means over tokens: `importance_weight`, and
    `importance_truncated`, the share of tokens at the cap. Raises ValueError if `cap` is not
    above 0.
    """
    if cap <= 0:
        raise ValueError(f"cap={cap}: choose a weight above 0, such as 2")
    log_weight_BT = log_ratio(inputs.reference_logp_BT, inputs.engine_logp_BT, inputs.mask_BT)
    exact_BT = log_weight_BT.detach().exp()
    weight_BT = exact_BT.clamp(max=cap)
    value, metrics = loss(replace(inputs, advantage_BT=inputs.advantage_BT * weight_BT))
    with torch.no_grad():
        truncated = ((exact_BT > cap) & inputs.mask_BT).sum() / inputs.tokens
        mean = torch.where(inputs.mask_BT, weight_BT, 0.0).sum() / inputs.tokens
    return value, {**metrics, "importance_weight": mean, "importance_truncated": truncated}


def sequence_mask(inputs: LossInputs, *, loss: PolicyLoss, low: float, high: float) -> Result:
    """`loss` without the responses whose ratio leaves a band: low ≤ s_j ≤ high,

        s_j = exp( (1/|y_j|) Σ_t log π_i(y_t)/μ(y_t) ),

    the geometric mean over the response's tokens in the mask, as in GSPO (2507.18071 eq. 7), so
    that a band fits all lengths. μ is the policy that sampled a token. A response outside counts in
    `sequences` and `tokens` as before, and adds neither gain nor penalty: it pulls nowhere. Where
    the weights of engine and trainer are the same, s_j is 1 up to rounding and nothing is masked.

    Metrics beside those of `loss`, per sequence: `sequences_masked`, the share of them, and
    `sequence_ratio`, the mean of s_j. Raises ValueError unless 0 < low < 1 < high.
    """
    if not 0 < low < 1 < high:
        raise ValueError(f"low={low}, high={high}: choose a band around 1, such as 0.5 to 2")
    log_weight_BT = log_ratio(inputs.reference_logp_BT, inputs.engine_logp_BT, inputs.mask_BT)
    ratio_B = (log_weight_BT.detach().sum(-1) / inputs.lengths_B).exp()
    inside_B = (ratio_B >= low) & (ratio_B <= high)
    value, metrics = loss(replace(inputs, mask_BT=inputs.mask_BT & inside_B[:, None]))
    there_B = inputs.mask_BT.any(-1)
    figures = {
        "sequences_masked": (there_B & ~inside_B).sum() / inputs.sequences,
        "sequence_ratio": torch.where(there_B, ratio_B, 0.0).sum() / inputs.sequences,
    }
    return value, {**metrics, **figures}
