"""A grader's verdicts as a reward; the life of the grader is that of the callback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from k15.graders.base import Grader
from k15.rewards.base import RewardCallback

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

    from k15.types import Problem, RolloutGroup


class GraderReward(RewardCallback):
    """`Verdict.correct` of any grader: 1.0 right, 0.0 wrong, or what lies between."""

    outcome = True

    def __init__(
        self,
        grader: Grader,
        *,
        threads: int = 2,
        weight: float = 1.0,
        domains: Sequence[str] | None = None,
    ) -> None:
        """`threads`: responses that are graded at the same time."""
        super().__init__(weight=weight, domains=domains)
        if threads < 1:
            raise ValueError(f"rewards: threads={threads}: at least one is needed")
        self.grader = grader
        self.threads = threads

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        self.grader.start()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.grader.close()
        super().teardown(trainer, pl_module, stage)

    def check(self, problem: Problem) -> None:
        self.grader.check(problem)

    def score(self, group: RolloutGroup) -> list[float]:
        texts = [rollout.text for rollout in group.rollouts]
        verdicts = self.grader.grade_all(group.problem, texts, threads=self.threads)
        return [float(verdict.correct) for verdict in verdicts]
