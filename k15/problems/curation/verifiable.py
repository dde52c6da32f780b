"""Whether an answer can be checked: the reference answer has to be right by its own verifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from k15.problems.curation.rules import Removal, Step
from k15.types import Problem, Rollout, RolloutGroup


class Verifiers(Protocol):
    """Who grades; `k15.rewards.scorer.Scorer` does."""

    def refusals(self, problems: Sequence[Problem]) -> Mapping[str, str]:
        """Why each problem that cannot be graded cannot, by id."""
        ...

    def score(self, group: RolloutGroup) -> RolloutGroup | None:
        """The group with `outcome`; None if its grader broke."""
        ...


def verifiable(verifiers: Verifiers) -> Step:
    r"""The step that removes problems whose reference answer in a `\boxed{}` is not right.

    Where there is no reference answer (programs), the problem's tests have to be readable.
    """

    def step(problems: Sequence[Problem]) -> Mapping[str, Removal]:
        refused = verifiers.refusals(problems)
        removals = {id: Removal("not verifiable", reason) for id, reason in refused.items()}
        for problem in problems:
            if problem.id not in refused and problem.answer is not None:
                if (rate := of_itself(verifiers, problem)) is None:
                    removals[problem.id] = Removal("not graded", "the grader broke")
                elif rate < 1:
                    detail = f"its answer {problem.answer!r} is wrong by its own verifier"
                    removals[problem.id] = Removal("not verifiable", detail)
        return removals

    return step


def of_itself(verifiers: Verifiers, problem: Problem) -> float | None:
    """How right the reference answer is; None if the grader broke."""
    gold = Rollout(finish="stop", text=f"\\boxed{{{problem.answer}}}")
    scored = verifiers.score(RolloutGroup(problem=problem, prompt_tokens=(), rollouts=(gold,)))
    return None if scored is None else scored.success_rate
