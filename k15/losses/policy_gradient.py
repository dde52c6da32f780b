"""Policy gradients: REINFORCE, GRPO, PPO-clip, GSPO and CISPO.

In all formulas ρ_t = π_θ(y_t)/π_i(y_t), A_t is the token's advantage (the response's, where all of
its tokens have the same), S = `sequences` and N = `tokens` of the whole minibatch, |y| the
response's tokens in the mask. Metrics of all: `approx_kl` and `abs_log_ratio`
(`k15.losses.reduce.drift`); of those that clip: `clip_fraction`, the share of tokens (GSPO: mean
over sequences of the share of their tokens) where the clip is at work. ValueError for
hyperparameters out of range.

Legend: B sequences of a micro-batch, T longest response in it, in tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from k15.losses.policy_loss import LossInputs, Result
from k15.losses.reduce import check_not_negative, drift, k3, masked_sum


def reinforce(inputs: LossInputs) -> Result:
    """−(1/S) Σ_j Σ_t A_t log π_θ(y_t): the policy gradient of whole responses.

    With `leave_one_out` advantages it is RLOO (2402.14740), with `positive_only` it is ReST
    (2308.08998), the baseline of k1.5 Fig. 10. Off-policy responses are not corrected for.
    """
    gain_B = masked_sum(inputs.advantage_BT * inputs.logp_BT, inputs.mask_BT)
    return -gain_B.sum() / inputs.sequences, drift(inputs.log_ratio_BT, inputs.tokens)


def grpo(inputs: LossInputs, *, clip: float = 0.2, kl_weight: float = 0.04) -> Result:
    """GRPO (DeepSeekMath 2402.03300 eq. 3 and 4; DeepSeek-R1 2501.12948 eq. 1).

        −(1/S) Σ_j (1/|y_j|) Σ_t [ min(ρ_t A_t, clip(ρ_t, 1 − clip, 1 + clip) A_t)
                                   − kl_weight·(exp(d_t) − d_t − 1) ],   d_t = log π_i/π_θ

    A mean over each response's tokens, then over sequences; A from `standardized`. The reference of
    the KL term is π_i, the policy at the start of the iteration. `clip` is a distance of ρ from 1,
    `kl_weight` is in units of advantage per nat; its default is the paper's (§4.2).
    """
    check_not_negative(clip=clip, kl_weight=kl_weight)
    log_ratio_BT = inputs.log_ratio_BT
    surrogate_BT, clipped_BT = _clipped(log_ratio_BT.exp(), inputs.advantage_BT, clip, clip)
    objective_B = masked_sum(surrogate_BT - kl_weight * k3(log_ratio_BT), inputs.mask_BT)
    loss = -(objective_B / inputs.lengths_B).sum() / inputs.sequences
    return loss, _metrics(log_ratio_BT, clipped_BT, inputs)


def ppo_clip(inputs: LossInputs, *, clip_low: float = 0.2, clip_high: float = 0.2) -> Result:
    """−(1/N) Σ_j Σ_t min(ρ_t A_t, clip(ρ_t, 1 − clip_low, 1 + clip_high) A_t), every token weighs
    the same.

    The clipped surrogate of PPO (1707.06347 eq. 7). DAPO (2503.14476 §3.1, §3.3) is
    `clip_high` = 0.28 with `standardized` advantages.
    """
    check_not_negative(clip_low=clip_low, clip_high=clip_high)
    log_ratio_BT = inputs.log_ratio_BT
    ratio_BT = log_ratio_BT.exp()
    surrogate_BT, clipped_BT = _clipped(ratio_BT, inputs.advantage_BT, clip_low, clip_high)
    loss = -masked_sum(surrogate_BT, inputs.mask_BT).sum() / inputs.tokens
    return loss, _metrics(log_ratio_BT, clipped_BT, inputs)


def gspo(inputs: LossInputs, *, clip_low: float = 3e-4, clip_high: float = 4e-4) -> Result:
    """−(1/S) Σ_j (1/|y_j|) Σ_t min(s_t A_t, clip(s_t, 1 − clip_low, 1 + clip_high) A_t)
        with s_t = sg(s)·π_θ(y_t)/sg(π_θ(y_t)),   s = exp((1/|y|) Σ_t log ρ_t)

    One ratio per response, the geometric mean of its tokens', in the form that takes an advantage
    per token (GSPO, 2507.18071 eq. 13 and 14; sg: without gradient). With one advantage per
    response it is eq. 5 and 7, in value and gradient. The clips' defaults are the paper's (§5.1). A
    from `standardized`.
    """
    check_not_negative(clip_low=clip_low, clip_high=clip_high)
    log_ratio_BT, mask_BT = inputs.log_ratio_BT, inputs.mask_BT
    mean_B1 = (log_ratio_BT.sum(-1) / inputs.lengths_B)[:, None].detach()
    ratio_BT = (mean_B1 + log_ratio_BT - log_ratio_BT.detach()).exp()
    surrogate_BT, clipped_BT = _clipped(ratio_BT, inputs.advantage_BT, clip_low, clip_high)
    surrogate_B = masked_sum(surrogate_BT, mask_BT) / inputs.lengths_B
    clipped_B = masked_sum(clipped_BT.float(), mask_BT) / inputs.lengths_B
    metrics = {"clip_fraction": clipped_B.sum() / inputs.sequences}
    loss = -surrogate_B.sum() / inputs.sequences
    return loss, {**metrics, **drift(log_ratio_BT, inputs.tokens)}


def cispo(inputs: LossInputs, *, clip_high: float, clip_low: float = 1.0) -> Result:
    """−(1/N) Σ_j Σ_t sg( clip(ρ_t, 1 − clip_low, 1 + clip_high) )·A_t·log π_θ(y_t).

    The clipped ratio is a weight without gradient (sg), so no token loses its gradient (CISPO,
    MiniMax-M1 2506.13585 eq. 4 and 5). The paper leaves out the lower bound, as does
    `clip_low` = 1, and names no number for `clip_high`.
    """
    check_not_negative(clip_low=clip_low, clip_high=clip_high)
    log_ratio_BT = inputs.log_ratio_BT
    ratio_BT = log_ratio_BT.detach().exp()
    weight_BT = ratio_BT.clamp(1 - clip_low, 1 + clip_high)
    gain_BT = weight_BT * inputs.advantage_BT * inputs.logp_BT
    loss = -masked_sum(gain_BT, inputs.mask_BT).sum() / inputs.tokens
    return loss, _metrics(log_ratio_BT, weight_BT != ratio_BT, inputs)


def _clipped(
    ratio_BT: Tensor, advantage_BT: Tensor, clip_low: float, clip_high: float
) -> tuple[Tensor, Tensor]:
    """min(ρA, clip(ρ)A), and where it is the clipped one: those have no gradient."""
    free_BT = ratio_BT * advantage_BT
    clipped_BT = ratio_BT.clamp(1 - clip_low, 1 + clip_high) * advantage_BT
    return torch.minimum(free_BT, clipped_BT), (clipped_BT < free_BT).detach()


def _metrics(log_ratio_BT: Tensor, clipped_BT: Tensor, inputs: LossInputs) -> dict[str, Tensor]:
    clipped = (clipped_BT & inputs.mask_BT).sum()
    return {"clip_fraction": clipped / inputs.tokens, **drift(log_ratio_BT, inputs.tokens)}
