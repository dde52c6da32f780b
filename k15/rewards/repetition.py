"""The extra penalty on responses that were ended for repeating themselves (k1.5 §2.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from k15.rewards.base import RewardCallback

if TYPE_CHECKING:
    from k15.types import RolloutGroup


class RepetitionPenalty(RewardCallback):
    """-1 for a rollout that finished by "repetition", else 0."""

    def score(self, group: RolloutGroup) -> list[float]:
        return [-float(rollout.finish == "repetition") for rollout in group.rollouts]
