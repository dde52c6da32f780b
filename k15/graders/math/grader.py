"""Problems with one answer, compared by mathematical equivalence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from k15.graders.base import Grader, Verdict
from k15.graders.math.verifier import Extraction, MathVerifier

if TYPE_CHECKING:
    from k15.types import Problem


class MathGrader(Grader):
    """Right is an answer equivalent to `problem.answer`, which is an answer and nothing else."""

    def __init__(self, *, extraction: Extraction = "boxed", **options: Any) -> None:
        """`options` are those of `MathVerifier`."""
        self.verifier = MathVerifier(extraction=extraction, **options)
        self._boxed = extraction == "free"

    def grade(self, problem: Problem, response: str) -> Verdict:
        return self.verifier.verify(response, self._gold(problem))

    def check(self, problem: Problem) -> None:
        self.verifier.check(self._gold(problem))

    def same(self, one: str, other: str) -> bool:
        """Equivalent in one direction at least: `x = 5` is 5."""
        return one == other or self.verifier.equal(one, other) or self.verifier.equal(other, one)

    def start(self) -> None:
        self.verifier.start()

    def close(self) -> None:
        self.verifier.close()

    def _gold(self, problem: Problem) -> str:
        """The whole reference answer, of which the free extraction would take a part."""
        if problem.answer is None:
            raise ValueError(f"problem {problem.id!r} has no answer to compare with")
        return f"\\boxed{{{problem.answer}}}" if self._boxed else problem.answer
