"""What a grader is: any response to a problem gets a verdict; only infrastructure raises.

    (problem, response) ─► grader ─► Verdict: right or wrong, what was taken as the answer, why

Rewards, benchmarks, curation and test generation ask the same graders. One of your own needs
`grade` alone:

    class Exact(Grader):
        def grade(self, problem, response):
            answer = response.strip()
            return Verdict(correct=answer == problem.answer, extracted=answer, how="equal")

`k15.rewards.graded.GraderReward` makes a reward of it, `k15.evaluation.benchmarks.questions`
a benchmark.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from k15.types import Problem

Grade = TypeVar("Grade")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a grader says of one response, or a judge of one test."""

    correct: float
    """1 right, 0 wrong; between them the share of tests passed, or a model's probability."""
    extracted: str | None = None
    """What was taken as the answer, as it stands in the response; None if there is none."""
    how: str = ""
    """The rule that decided, in a word or two."""
    found: str = ""
    """How the answer was found, such as "boxed" or "stated"; "" where nothing has to be found."""
    detail: str = ""
    """More of it, for a person: the assertion that failed, a model's reasoning."""


class GraderFailure(RuntimeError):
    """The grader broke: a process died, a service did not answer.

    It says nothing about the answer, so it never becomes a 0: whoever asked tries again
    (`retried`), then drops the group or sample, and counts it.
    """


class Grader(ABC):
    """Grades responses to problems; callable from any thread."""

    @abstractmethod
    def grade(self, problem: Problem, response: str) -> Verdict:
        """The verdict on any response to a problem that passed `check`.

        Raises GraderFailure if the grader itself broke.
        """

    def grade_all(
        self, problem: Problem, responses: Sequence[str], *, threads: int = 2
    ) -> list[Verdict]:
        """One verdict per response, `threads` at a time."""
        return each_once(lambda response: self.grade(problem, response), responses, threads)

    def check(self, problem: Problem) -> None:
        """Raise ValueError, naming what is wrong, if responses to `problem` cannot be graded."""
        return None

    def same(self, one: str, other: str) -> bool:
        """Whether two extracted answers are one: they vote together in a majority vote."""
        return one == other

    def start(self) -> None:
        """Start what it needs (processes, a sandbox) now; else the first `grade` does.

        Raises GraderFailure or RuntimeError saying what is missing.
        """
        return None

    def close(self) -> None:
        """End all that; a later `grade` starts it again."""
        return None


def each_once(
    function: Callable[[Item], Grade], items: Sequence[Item], threads: int
) -> list[Grade]:
    """`function` of each item, `threads` at a time, of equal ones once: a sharp policy repeats."""
    distinct = list(dict.fromkeys(items))
    with ThreadPoolExecutor(threads) as pool:
        values = dict(zip(distinct, pool.map(function, distinct), strict=True))
    return [values[item] for item in items]


def retried(grade: Callable[[], Grade], *, retries: int, backoff: float) -> Grade:
    """What `grade()` returns, asked again up to `retries` times when the grader fails.

    `backoff` are the seconds before the second attempt, doubled for each further one. Raises the
    last attempt's GraderFailure.
    """
    for attempt in range(retries):
        try:
            return grade()
        except GraderFailure:
            time.sleep(backoff * 2**attempt)
    return grade()
