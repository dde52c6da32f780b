"""A reward for the shape of a response, as DeepSeek-R1 uses it beside accuracy (2501.12948)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from k15.graders.format import thinks_then_boxes
from k15.rewards.base import RewardCallback

if TYPE_CHECKING:
    from k15.types import RolloutGroup


class FormatReward(RewardCallback):
    """1.0 for a response of the right shape, else 0.0."""

    def __init__(
        self,
        *,
        pattern: str | None = None,
        weight: float = 1.0,
        domains: Sequence[str] | None = None,
    ) -> None:
        """Right is what `pattern` matches as a whole (a dot matches a newline, too); None: thoughts
        in `<think>`, then a box, see `k15.graders.format`.
        """
        super().__init__(weight=weight, domains=domains)
        try:
            self.pattern = None if pattern is None else re.compile(pattern, re.DOTALL)
        except re.error as error:
            raise ValueError(f"rewards: format pattern {pattern!r} is no regex: {error}") from error

    def score(self, group: RolloutGroup) -> list[float]:
        return [float(self.fits(rollout.text)) for rollout in group.rollouts]

    def fits(self, text: str) -> bool:
        """Whether a response has the right shape."""
        return bool(self.pattern.fullmatch(text)) if self.pattern else thinks_then_boxes(text)
