"""Procedural problems are graded by the task that made them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from k15.rewards.base import RewardCallback

if TYPE_CHECKING:
    from k15.tasks.base import Task
    from k15.types import RolloutGroup


class TaskReward(RewardCallback):
    """`task.check` on each response."""

    outcome = True

    def __init__(
        self, task: Task, *, weight: float = 1.0, domains: Sequence[str] | None = None
    ) -> None:
        super().__init__(weight=weight, domains=domains)
        self.task = task

    def score(self, group: RolloutGroup) -> list[float]:
        return [self.task.check(group.problem, rollout.text) for rollout in group.rollouts]


class TaskTruth(TaskReward):
    """The same as a figure beside another verifier: logged under its name, not an outcome. Give it
    weight 0, and the policy is not trained on it.
    """

    outcome = False
