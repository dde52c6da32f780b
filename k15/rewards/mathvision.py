"""MATH-Vision's answers: the letter of an option, or mathematical equivalence."""

from __future__ import annotations

from collections.abc import Sequence

from k15.graders.math.verifier import Extraction
from k15.graders.mathvision import MathVisionGrader
from k15.rewards.graded import GraderReward


class MathVisionReward(GraderReward):
    """1.0 for a response that the benchmark's rule finds right, else 0.0."""

    def __init__(
        self,
        *,
        workers: int = 2,
        extraction: Extraction = "boxed",
        weight: float = 1.0,
        domains: Sequence[str] | None = None,
    ) -> None:
        """`workers` and `extraction` are `MathVerifier`'s."""
        grader = MathVisionGrader(extraction=extraction, workers=workers)
        super().__init__(grader, threads=workers, weight=weight, domains=domains)
