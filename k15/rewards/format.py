"""A reward for the shape of a response, as DeepSeek-R1 uses it beside accuracy (2501.12948)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from k15.rewards.base import RewardCallback

if TYPE_CHECKING:
    from k15.types import RolloutGroup

THINK_THEN_BOX = r"<think>.*</think>.*\\boxed\{.*\}.*"


class FormatReward(RewardCallback):
    """1.0 if `pattern` matches the whole text (a dot matches a newline, too), else 0.0."""

    def __init__(
        self,
        *,
        pattern: str = THINK_THEN_BOX,
        weight: float = 1.0,
        domains: Sequence[str] | None = None,
    ) -> None:
        super().__init__(weight=weight, domains=domains)
        try:
            self.pattern = re.compile(pattern, re.DOTALL)
        except re.error as error:
            raise ValueError(f"rewards: format pattern {pattern!r} is no regex: {error}") from error

    def score(self, group: RolloutGroup) -> list[float]:
        return [float(bool(self.pattern.fullmatch(rollout.text))) for rollout in group.rollouts]
