"""The answer of a math problem, compared by meaning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from k15.graders.math.compare.equality import Percent, Rounding
from k15.graders.math.verifier import Extraction, MathVerifier
from k15.rewards.base import RewardCallback

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

    from k15.types import Problem, RolloutGroup


class MathReward(RewardCallback):
    """1.0 for a response whose answer is equivalent to `problem.answer`, else 0.0."""

    outcome = True

    def __init__(
        self,
        *,
        workers: int = 2,
        cpu_seconds: float = 2.0,
        extraction: Extraction = "boxed",
        percent: Percent = "either",
        rounding: Rounding = "repeating",
        integer_range: Sequence[int] | None = None,
        weight: float = 1.0,
        domains: Sequence[str] | None = None,
    ) -> None:
        """The arguments but the last two are `MathVerifier`'s."""
        super().__init__(weight=weight, domains=domains)
        self.verifier = MathVerifier(
            workers=workers,
            cpu_seconds=cpu_seconds,
            extraction=extraction,
            percent=percent,
            rounding=rounding,
            integer_range=integer_range,
        )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        self.verifier.start()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.verifier.close()
        super().teardown(trainer, pl_module, stage)

    def check(self, problem: Problem) -> None:
        if problem.answer is None:
            raise ValueError(f"problem {problem.id!r} has no answer to compare with")
        self.verifier.check(problem.answer)

    def score(self, group: RolloutGroup) -> list[float]:
        gold = group.problem.answer
        if gold is None:
            raise ValueError(f"problem {group.problem.id!r} has no answer to compare with")
        texts = [rollout.text for rollout in group.rollouts]
        return [float(verdict.correct) for verdict in self.verifier.verify_all(texts, gold)]
