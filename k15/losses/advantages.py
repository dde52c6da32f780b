"""Advantages: from the rewards of a problem's responses to what multiplies ∇ log π.

Every function takes `reward_PG` [P, G] and returns `advantage_PG` [P, G], both in units of reward
unless said otherwise. Where responses are compared with each other, equal ones have advantages of
0, and so has a lone one (G = 1).

Legend: P problems, G samples per problem.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

ROUNDING = 1e-9  # of the largest reward, in double precision
SOME_REWARDS = torch.tensor([-1e3, -1.0, 0.5, 1.0, 1e3])


def mean_baseline(reward_PG: Tensor) -> Tensor:
    """r − r̄, the problem's mean reward (k1.5 §2.3.2, eq. 3)."""
    return reward_PG - reward_PG.mean(-1, keepdim=True)


def log_partition_baseline(reward_PG: Tensor, *, tau: float) -> Tensor:
    """r − τ log (1/G) Σ_j exp(r_j/τ): the baseline that r̄ stands in for (k1.5 §2.3.2).

    `tau` is in units of reward: a large one gives r − r̄, a small one r − max r. Raises
    ValueError if `tau` is not above 0.
    """
    if tau <= 0:
        raise ValueError(f"tau={tau}: choose a value above 0, or the advantage mean_baseline")
    log_mean_exp_P = torch.logsumexp(reward_PG / tau, -1) - math.log(reward_PG.shape[-1])
    return reward_PG - tau * log_mean_exp_P[:, None]


def leave_one_out(reward_PG: Tensor) -> Tensor:
    """r_j − mean of the other G − 1 rewards = (r_j − r̄)·G/(G − 1) (RLOO, 2402.14740 §2)."""
    G = reward_PG.shape[-1]
    return (reward_PG - reward_PG.mean(-1, keepdim=True)) * (G / max(G - 1, 1))


def standardized(reward_PG: Tensor, *, eps: float = 1e-4) -> Tensor:
    """(r − r̄)/(std(r) + eps), without unit (GRPO, DeepSeekMath 2402.03300 §4.1).

    std is the sample standard deviation, Σ(r − r̄)²/(G − 1) under the root: the paper does not
    say which, TRL's GRPOTrainer takes this one, with this `eps` (units of reward). Equal rewards
    give 0.
    """
    exact_PG = reward_PG.double()  # a small eps would magnify the rounding of equal rewards' mean
    centred_PG = exact_PG - exact_PG.mean(-1, keepdim=True)
    degrees = max(reward_PG.shape[-1] - 1, 1)
    deviation_P1 = (centred_PG.square().sum(-1, keepdim=True) / degrees).sqrt()
    return (centred_PG / (deviation_P1 + eps)).to(reward_PG.dtype)


def no_baseline(reward_PG: Tensor) -> Tensor:
    """r itself (REINFORCE)."""
    return reward_PG.clone()


def positive_only(reward_PG: Tensor, *, threshold: float = 0.0) -> Tensor:
    """1 where r > threshold, else 0: with `reinforce` this fits the good responses only (ReST,
    2308.08998 §3; the baseline of k1.5 Fig. 10). `threshold` is in units of reward.
    """
    return (reward_PG > threshold).to(reward_PG.dtype)


def carries_signal(advantage: Tensor, reward: Sequence[float]) -> bool:
    """Whether any of a group's advantages differs from 0 by more than the rounding of its rewards'
    mean.
    """
    return bool((advantage.abs() > ROUNDING * max(map(abs, reward))).any())


def check_advantage(advantage: Callable[[Tensor], Tensor], samples_per_problem: int) -> None:
    """Raise ValueError if the advantage of a lone response is 0 whatever its reward, and there are
    only lone ones.
    """
    if samples_per_problem == 1 and not advantage(SOME_REWARDS[:, None]).any():
        function = getattr(advantage, "func", advantage)  # of a partial
        name = getattr(function, "__name__", type(function).__name__)
        raise ValueError(
            f"samples_per_problem=1: the advantage {name} compares a problem's "
            "responses and would always be 0; choose samples_per_problem=2 or more, or the "
            "advantage no_baseline"
        )
