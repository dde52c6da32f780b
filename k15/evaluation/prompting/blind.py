"""How much is answered without looking: the baseline of whatever is said to be seen."""

from __future__ import annotations

from dataclasses import replace

from k15.evaluation.benchmark import Benchmark
from k15.evaluation.prompting.base import Once, Solving
from k15.models.pictures import blank
from k15.types import Problem


class Blind(Once):
    """As `Once`, with white pictures of the same sizes in place of the problem's own."""

    def solve(self, problem: Problem, benchmark: Benchmark) -> Solving:
        """Ask once."""
        images = tuple(blank(image) for image in problem.images)
        return super().solve(replace(problem, images=images), benchmark)
