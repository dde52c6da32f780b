"""Programs are graded by running them on the problem's tests, in a sandbox.

response ─ fenced block ─► program ─ judge ─► verdict per test ─► right if all pass, or the share
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, get_args

from k15.graders.base import Grader, Verdict, each_once
from k15.graders.code.cases import read_case
from k15.graders.code.judge import Judge
from k15.markdown import code_block
from k15.sandbox.protocol import LANGUAGES, Language, Limits
from k15.tasks.thoughts import conclusion

if TYPE_CHECKING:
    from k15.graders.code.trial import Case
    from k15.sandbox.protocol import Sandbox
    from k15.types import Problem

Share = Literal["all", "fraction"]
NO_PROGRAM = Verdict(correct=0.0, how="no program")


class CodeGrader(Grader):
    """Right is a program that passes all tests of its problem."""

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        reward: Share = "all",
        language: Language = "python",
        require_fence: bool = True,
        limits: Limits = Limits(),
    ) -> None:
        """Start nothing yet.

        Args:
            sandbox: where programs run.
            reward: "all", 1 if every test passes, stopping at the first that fails; "fraction", the
                share of tests that pass.
            language: of the programs, unless a problem's `meta["language"]` says otherwise.
            require_fence: see `code_block`.
            limits: of one test.
        """
        for name, value, choices in (
            ("reward", reward, get_args(Share)),
            ("language", language, LANGUAGES),
        ):
            if value not in choices:
                raise ValueError(f"{name}={value!r}: choose one of {', '.join(choices)}")
        self.judge = Judge(sandbox, limits)
        self.reward = reward
        self.language = language
        self.require_fence = require_fence

    def program(self, problem: Problem, response: str) -> str | None:
        """The program in what a response concludes; None if there is none."""
        return code_block(
            conclusion(response),
            self._language(problem),
            require_fence=self.require_fence,
            names=functions(problem),
        )

    def grade(self, problem: Problem, response: str) -> Verdict:
        return self.grade_program(problem, self.program(problem, response))

    def grade_all(
        self, problem: Problem, responses: Sequence[str], *, threads: int = 2
    ) -> list[Verdict]:
        """One verdict per response; a program that many of them write is run once."""
        programs = [self.program(problem, response) for response in responses]
        return each_once(lambda one: self.grade_program(problem, one), programs, threads)

    def grade_program(self, problem: Problem, program: str | None) -> Verdict:
        """The verdict on a program; raises GraderFailure if sandbox, checker or test broke."""
        if program is None:
            return NO_PROGRAM
        cases, language = self._cases(problem), self._language(problem)
        if self.reward == "fraction":
            share = self.judge.fraction(program, cases, language)
            return Verdict(correct=share, extracted=program, how="share of tests")
        failed = self.judge.first_failure(program, cases, language)
        if failed is None:
            return Verdict(correct=1.0, extracted=program, how=f"passed {len(cases)} tests")
        return Verdict(correct=0.0, extracted=program, how=failed.how, detail=failed.detail)

    def check(self, problem: Problem) -> None:
        language = self._language(problem)
        cases = self._cases(problem)
        try:
            for case in cases:
                case.trial("", language)
        except (TypeError, ValueError) as error:  # arguments that JSON does not have
            raise ValueError(f"problem {problem.id!r}: {error}") from error

    def start(self) -> None:
        self.judge.sandbox.start()

    def close(self) -> None:
        self.judge.sandbox.close()

    def _cases(self, problem: Problem) -> list[Case]:
        if not problem.tests:
            raise ValueError(f"problem {problem.id!r} has no tests")
        try:
            return [read_case(test) for test in problem.tests]
        except ValueError as error:
            raise ValueError(f"problem {problem.id!r}: {error}") from error

    def _language(self, problem: Problem) -> Language:
        language = problem.meta.get("language", self.language)
        if language not in LANGUAGES:
            raise ValueError(
                f"problem {problem.id!r}: language={language!r}: "
                f"choose one of {', '.join(LANGUAGES)}"
            )
        return language


def functions(problem: Problem) -> set[str]:
    """What the tests take from a program; nothing where it is run as a whole."""
    asked = (test.get("function") or test.get("entry_point") or () for test in problem.tests)
    return {name for names in asked for name in ([names] if isinstance(names, str) else names)}
