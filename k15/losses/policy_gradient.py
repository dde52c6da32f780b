"""Policy gradients: REINFORCE, GRPO, PPO-clip, GSPO and CISPO, all with the signature `PolicyLoss`.

Arguments beside their own hyperparameters, units and the way sums are normalised are described
there. In all formulas ρ_t = π_θ(y_t)/π_i(y_t), A is the response's advantage, the same for all of
its tokens, S = `sequences` and N = `tokens` of the whole minibatch, |y| the response's tokens in
the mask. Metrics of all: `approx_kl` and `abs_log_ratio` (`k15.losses.reduce.drift`); of those that
clip: `clip_fraction`, the share of tokens (GSPO: of sequences) where the clip is at work.

Legend: B sequences of a micro-batch, T longest response in it, in tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from k15.losses.reduce import check_not_negative, check_shapes, drift, k3, log_ratio, masked_sum

Result = tuple[Tensor, dict[str, Tensor]]


def reinforce(
    logp_BT: Tensor,
    reference_logp_BT: Tensor,
    advantage_B: Tensor,
    mask_BT: Tensor,
    *,
    sequences: float,
    tokens: float,
) -> Result:
    """−(1/S) Σ_j A_j Σ_t log π_θ(y_t): the policy gradient of whole responses.

    With `leave_one_out` advantages it is RLOO (2402.14740), with `positive_only` it is ReST
    (2308.08998), the baseline of k1.5 Fig. 10. Off-policy responses are not corrected for.
    """
    check_shapes(logp_BT, reference_logp_BT, advantage_B, mask_BT)
    loss = -(advantage_B * masked_sum(logp_BT, mask_BT)).sum() / sequences
    return loss, drift(log_ratio(logp_BT, reference_logp_BT, mask_BT), tokens)


def grpo(
    logp_BT: Tensor,
    reference_logp_BT: Tensor,
    advantage_B: Tensor,
    mask_BT: Tensor,
    *,
    sequences: float,
    tokens: float,
    clip: float = 0.2,
    kl_weight: float = 0.04,
) -> Result:
    """GRPO (DeepSeekMath 2402.03300 eq. 3 and 4; DeepSeek-R1 2501.12948 eq. 1).

        −(1/S) Σ_j (1/|y_j|) Σ_t [ min(ρ_t A, clip(ρ_t, 1 − clip, 1 + clip) A)
                                   − kl_weight·(exp(d_t) − d_t − 1) ],   d_t = log π_i/π_θ

    A mean over each response's tokens, then over sequences; A from `standardized`. The reference of
    the KL term is π_i, the policy at the start of the iteration. `clip` is a distance of ρ from 1,
    `kl_weight` is in units of advantage per nat; its default is the paper's (§4.2).
    """
    check_shapes(logp_BT, reference_logp_BT, advantage_B, mask_BT)
    check_not_negative(clip=clip, kl_weight=kl_weight)
    log_ratio_BT = log_ratio(logp_BT, reference_logp_BT, mask_BT)
    surrogate_BT, clipped_BT = _clipped(log_ratio_BT.exp(), advantage_B[:, None], clip, clip)
    objective_B = masked_sum(surrogate_BT - kl_weight * k3(log_ratio_BT), mask_BT)
    loss = -(objective_B / _lengths(mask_BT)).sum() / sequences
    return loss, _metrics(log_ratio_BT, clipped_BT & mask_BT, tokens)


def ppo_clip(
    logp_BT: Tensor,
    reference_logp_BT: Tensor,
    advantage_B: Tensor,
    mask_BT: Tensor,
    *,
    sequences: float,
    tokens: float,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
) -> Result:
    """−(1/N) Σ_j Σ_t min(ρ_t A, clip(ρ_t, 1 − clip_low, 1 + clip_high) A), every token weighs the
    same.

    The clipped surrogate of PPO (1707.06347 eq. 7). DAPO (2503.14476 §3.1, §3.3) is
    `clip_high` = 0.28 with `standardized` advantages.
    """
    check_shapes(logp_BT, reference_logp_BT, advantage_B, mask_BT)
    check_not_negative(clip_low=clip_low, clip_high=clip_high)
    log_ratio_BT = log_ratio(logp_BT, reference_logp_BT, mask_BT)
    surrogate_BT, clipped_BT = _clipped(
        log_ratio_BT.exp(), advantage_B[:, None], clip_low, clip_high
    )
    loss = -masked_sum(surrogate_BT, mask_BT).sum() / tokens
    return loss, _metrics(log_ratio_BT, clipped_BT & mask_BT, tokens)


def gspo(
    logp_BT: Tensor,
    reference_logp_BT: Tensor,
    advantage_B: Tensor,
    mask_BT: Tensor,
    *,
    sequences: float,
    tokens: float,
    clip_low: float = 3e-4,
    clip_high: float = 4e-4,
) -> Result:
    """−(1/S) Σ_j min(s A, clip(s, 1 − clip_low, 1 + clip_high) A),  s = exp((1/|y|) Σ_t log ρ_t).

    One ratio per response, the geometric mean of its tokens' (GSPO, 2507.18071 eq. 5 and 7);
    the clips' defaults are the paper's (§5.1). A from `standardized`.
    """
    check_shapes(logp_BT, reference_logp_BT, advantage_B, mask_BT)
    check_not_negative(clip_low=clip_low, clip_high=clip_high)
    log_ratio_BT = log_ratio(logp_BT, reference_logp_BT, mask_BT)
    ratio_B = (log_ratio_BT.sum(-1) / _lengths(mask_BT)).exp()
    surrogate_B, clipped_B = _clipped(ratio_B, advantage_B, clip_low, clip_high)
    loss = -torch.where(mask_BT.any(-1), surrogate_B, 0.0).sum() / sequences
    clip_fraction = clipped_B.sum() / sequences
    return loss, {"clip_fraction": clip_fraction, **drift(log_ratio_BT, tokens)}


def cispo(
    logp_BT: Tensor,
    reference_logp_BT: Tensor,
    advantage_B: Tensor,
    mask_BT: Tensor,
    *,
    sequences: float,
    tokens: float,
    clip_high: float,
    clip_low: float = 1.0,
) -> Result:
    """−(1/N) Σ_j Σ_t sg( clip(ρ_t, 1 − clip_low, 1 + clip_high) )·A·log π_θ(y_t).

    The clipped ratio is a weight without gradient (sg), so no token loses its gradient (CISPO,
    MiniMax-M1 2506.13585 eq. 4 and 5). The paper leaves out the lower bound, as does
    `clip_low` = 1, and names no number for `clip_high`.
    """
    check_shapes(logp_BT, reference_logp_BT, advantage_B, mask_BT)
    check_not_negative(clip_low=clip_low, clip_high=clip_high)
    log_ratio_BT = log_ratio(logp_BT, reference_logp_BT, mask_BT)
    ratio_BT = log_ratio_BT.detach().exp()
    weight_BT = ratio_BT.clamp(1 - clip_low, 1 + clip_high)
    loss = -masked_sum(weight_BT * advantage_B[:, None] * logp_BT, mask_BT).sum() / tokens
    return loss, _metrics(log_ratio_BT, (weight_BT != ratio_BT) & mask_BT, tokens)


def _clipped(
    ratio: Tensor, advantage: Tensor, clip_low: float, clip_high: float
) -> tuple[Tensor, Tensor]:
    """min(ρA, clip(ρ)A), and where it is the clipped one: those have no gradient."""
    clipped = ratio.clamp(1 - clip_low, 1 + clip_high) * advantage
    surrogate = torch.minimum(ratio * advantage, clipped)
    return surrogate, (clipped < ratio * advantage).detach()


def _lengths(mask_BT: Tensor) -> Tensor:
    """[B] tokens in the mask, at least 1: a response without any adds 0 and not 0/0."""
    return mask_BT.sum(-1).clamp(min=1)


def _metrics(log_ratio_BT: Tensor, clipped_BT: Tensor, tokens: float) -> dict[str, Tensor]:
    return {"clip_fraction": clipped_BT.sum() / tokens, **drift(log_ratio_BT, tokens)}
