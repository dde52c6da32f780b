"""Programs, graded by running them on the problem's tests in a sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from k15.graders.code.cases import read_case
from k15.graders.code.grader import CodeGrader, Share
from k15.rewards.graded import GraderReward
from k15.sandbox.protocol import Language, Limits

if TYPE_CHECKING:
    from k15.sandbox.protocol import Sandbox
    from k15.types import Problem


class CodeReward(GraderReward):
    """1.0 for a response whose program passes all tests of the problem, else 0.0 or their share."""

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        reward: Share = "all",
        language: Language = "python",
        require_fence: bool = True,
        limits: Limits = Limits(),
        threads: int = 2,
        weight: float = 1.0,
        domains: Sequence[str] | None = ("code",),
    ) -> None:
        """The arguments but the last three are `CodeGrader`'s."""
        grader = CodeGrader(
            sandbox,
            reward=reward,
            language=language,
            require_fence=require_fence,
            limits=limits,
        )
        super().__init__(grader, threads=threads, weight=weight, domains=domains)

    def check(self, problem: Problem) -> None:
        super().check(problem)
        for test in problem.tests:
            case = read_case(test)
            if case.forgeable:
                raise ValueError(
                    f"problem {problem.id!r}: a program could forge a pass of {case.type!r} tests: "
                    "they are for evaluation; train on stdin, call or assert tests"
                )
