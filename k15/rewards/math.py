"""The answer of a math problem, compared by meaning."""

from __future__ import annotations

from collections.abc import Sequence

from k15.graders.math.compare.quantities import Percent, Rounding
from k15.graders.math.grader import MathGrader
from k15.graders.math.verifier import Extraction
from k15.rewards.graded import GraderReward


class MathReward(GraderReward):
    """1.0 for a response whose answer is equivalent to `problem.answer`, else 0.0."""

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
        grader = MathGrader(
            workers=workers,
            cpu_seconds=cpu_seconds,
            extraction=extraction,
            percent=percent,
            rounding=rounding,
            integer_range=integer_range,
        )
        super().__init__(grader, threads=workers, weight=weight, domains=domains)
