"""What curation is made of: rules, which look at one problem, and steps, which look at all.

problems ─► step ─► step ─► ... ─► what is left, and of each other one the reason
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from k15.types import Problem


@dataclass(frozen=True, slots=True)
class Removal:
    """Why a problem is left out."""

    reason: str
    """One of few, by which removals are counted: "proof", "near duplicate", ..."""
    detail: str = ""
    """For a person: what was found."""


Rule = Callable[[Problem], Removal | None]
"""Why a problem has to go, None if it may stay; depends on nothing but the problem."""
Step = Callable[[Sequence[Problem]], Mapping[str, Removal]]
"""Which of the problems have to go, by id, and why."""


def each(*rules: Rule) -> Step:
    """The step that asks the rules of each problem, one after the other: the first removal counts.

    Example: `each(proof, true_or_false)(problems)`
    """

    def step(problems: Sequence[Problem]) -> Mapping[str, Removal]:
        said = ((problem.id, first(rules, problem)) for problem in problems)
        return {id: removal for id, removal in said if removal is not None}

    return step


def first(rules: Iterable[Rule], problem: Problem) -> Removal | None:
    """What the first rule says that says something."""
    found = (rule(problem) for rule in rules)
    return next((removal for removal in found if removal is not None), None)


def through(
    problems: Sequence[Problem], steps: Iterable[Step]
) -> tuple[list[Problem], dict[str, Removal]]:
    """What the steps leave, in its order, and all that they remove, by id. Each step sees what the
    ones before it left.
    """
    left, removals = list(problems), dict[str, Removal]()
    for step in steps:
        removed = step(left)
        removals |= removed
        left = [problem for problem in left if problem.id not in removed]
    return left, removals
