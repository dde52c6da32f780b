"""Shorter is better among responses to the same problem (k1.5 §2.3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from k15.rewards.base import RewardCallback

if TYPE_CHECKING:
    from k15.types import RolloutGroup


def length_rewards(lengths: Sequence[int], correct: Sequence[bool]) -> list[float]:
    """λ_i = 0.5 − (len_i − min_len) / (max_len − min_len), in [-0.5, 0.5] (k1.5 §2.3.3).

    Args:
        lengths: [G] response lengths in tokens.
        correct: [G] a wrong response gets min(0, λ_i): being short never pays for being wrong.

    Returns:
        [G] all zero if the responses are of one length.
    """
    shortest, longest = min(lengths), max(lengths)
    if shortest == longest:
        return [0.0] * len(lengths)
    values = [0.5 - (length - shortest) / (longest - shortest) for length in lengths]
    return [
        value if right else min(0.0, value) for value, right in zip(values, correct, strict=True)
    ]


class LengthReward(RewardCallback):
    """The length reward of k1.5 §2.3.3: off for the first iterations, then constant."""

    def __init__(
        self,
        *,
        warmup_iterations: int = 0,
        weight: float = 1.0,
        domains: Sequence[str] | None = None,
    ) -> None:
        super().__init__(weight=weight, domains=domains)
        self.warmup_iterations = warmup_iterations

    def score(self, group: RolloutGroup) -> list[float]:
        """All zero while `iteration < warmup_iterations`; without a Trainer there is no warm-up."""
        if self.iteration is not None and self.iteration < self.warmup_iterations:
            return [0.0] * len(group.rollouts)
        lengths = [rollout.length for rollout in group.rollouts]
        return length_rewards(lengths, [outcome > 0 for outcome in group.outcome])
