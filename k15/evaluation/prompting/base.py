"""How a model is brought to an answer: once, or in several steps that wait for each other.

A prompting mode is a generator. It yields what it wants done and is sent the results:

    yield [Ask(...), ...]      responses of the model: one Reply per Ask
    yield Weigh(...)           how likely the model finds given texts: one Scored per text
    yield function             the function's value; it runs in a thread of its own
    return Reply(...)          the response that is graded

The evaluator runs the generators of all samples at once, so that the engine answers the asks of
many problems and benchmarks together and never waits for one search to go on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from k15.evaluation.benchmark import Benchmark
from k15.questions import instructed
from k15.types import Problem

COT = "Please reason step by step, and put your final answer within \\boxed{}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One response that is wanted of the model."""

    problem: Problem
    """Prompt and pictures."""
    max_tokens: int | None = None
    """None: what the benchmark allows a response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One response of the model."""

    text: str
    tokens: int = 0
    finish: str = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weigh:
    """Texts of which the model's log-probabilities are wanted, each behind the same beginning."""

    beginning: str
    """As it stands, outside of any chat."""
    texts: Sequence[str]


Work: TypeAlias = Sequence[Ask] | Weigh | Callable[[], Any]
Solving: TypeAlias = Generator[Work, Any, Reply]
"""Yields `Work`, is sent a list of `Reply` or `Scored`, or the function's value, returns the
response.
"""


class Prompting(ABC):
    """One way of asking. A mode of your own needs `solve` alone."""

    name: str
    """As it stands in tables, and the key of `Benchmark.instructions`."""

    @abstractmethod
    def solve(self, problem: Problem, benchmark: Benchmark) -> Solving:
        """Bring the model to one response to `problem`."""

    def __enter__(self) -> Prompting:
        """Start what `solve` needs (a sandbox)."""
        return self

    def __exit__(self, *error: object) -> None:
        """End it."""
        return None


class Once(Prompting):
    """One instruction behind the question, one response."""

    def __init__(self, *, name: str = "cot", instruction: str = COT) -> None:
        """`instruction` is written where the benchmark has none of its own for this mode."""
        self.name, self.instruction = name, instruction

    def solve(self, problem: Problem, benchmark: Benchmark) -> Solving:
        """Ask once."""
        instruction = benchmark.instructions.get(self.name, self.instruction)
        (reply,) = yield [Ask(problem=instructed(problem, instruction))]
        return reply
