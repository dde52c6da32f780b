"""MATH-Vision's rule: by the option's letter, by its text, else by mathematical equivalence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from k15.graders.base import Grader, Verdict
from k15.graders.choices import LETTERS, chosen
from k15.graders.math.grader import MathGrader

if TYPE_CHECKING:
    from k15.types import Problem


class MathVisionGrader(Grader):
    """Problems with `meta["choices"]` by letter, or by what the right option says; others by
    equivalence with `problem.answer`.
    """

    def __init__(self, **options: Any) -> None:
        """`options` are those of `MathGrader`."""
        self.math = MathGrader(**options)

    def grade(self, problem: Problem, response: str) -> Verdict:
        options = problem.meta["choices"]
        if not options:
            return self.math.grade(problem, response)
        found = chosen(response, options)
        option = self.option(problem)
        if found.text is not None or option is None:
            correct = found.text == problem.answer
            return Verdict(correct=correct, extracted=found.text, how="letter", found=found.how)
        verdict = self.math.grade(option, response)
        return replace(verdict, how=f"option, {verdict.how}")

    def option(self, problem: Problem) -> Problem | None:
        """The problem with the right option's text as its answer; None where that is no formula,
        as "the picture on the left".
        """
        assert problem.answer is not None
        text = problem.meta["choices"][LETTERS.index(problem.answer)]
        asked = replace(problem, answer=text)
        try:
            self.math.check(asked)
        except ValueError:
            return None
        return asked

    def check(self, problem: Problem) -> None:
        options = problem.meta["choices"]
        if not options:
            self.math.check(problem)
        elif problem.answer not in list(LETTERS[: len(options)]):
            letters = ", ".join(LETTERS[: len(options)])
            raise ValueError(f"it must be the letter of an option ({letters})")

    def same(self, one: str, other: str) -> bool:
        """Letters as they are, other answers by equivalence."""
        if one in LETTERS or other in LETTERS:
            return one == other
        return self.math.same(one, other)

    def start(self) -> None:
        self.math.start()

    def close(self) -> None:
        self.math.close()
