"""Where problems come from: what a source is, and the source of a procedural task.

A source has a pool to train on and a held-out split that shares no question with it; it may be a
demonstrator, too, which the warm-up stages learn from. Own ones implement the two protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from inspect import signature
from itertools import count
from random import Random
from typing import Any, Protocol

from k15.config.errors import ConfigError
from k15.problems.lazy import LazyProblems
from k15.progress import say_once
from k15.questions import Split
from k15.tasks.base import Task
from k15.types import Message, Problem

Response = str | Sequence[Message]
"""An assistant's words, or the turns that follow a prompt: what assistants say there is learned."""
PASSED_OVER = 1000  # demonstrations without a picture in a row, after which none is expected


class NoDemonstration(ConfigError):
    """A problem that a source cannot show an answer to."""

    def __init__(self, problem: Problem, reason: str) -> None:
        super().__init__(f"problem {problem.id}: {reason}")
        self.id = problem.id
        self.reason = reason


class ProblemSource(Protocol):
    """What RL needs."""

    words: tuple[str, ...]
    """The tiny tokenizer's whole vocabulary; empty for free text."""
    max_response_tokens: int
    """How long a response may get."""
    train: Sequence[Problem]
    held_out: Sequence[Problem]


class Demonstrator(Protocol):
    """What the warm-up stages need."""

    words: tuple[str, ...]

    def demonstration(self, index: int, split: Split = "train") -> tuple[Problem, Response]:
        """Problem number `index` (endless) of a split with a response that shows how.

        Raises NoDemonstration if there is none for it.
        """
        ...


class DemonstratedSource(ProblemSource, Demonstrator, Protocol):
    """Both."""


def demonstrations(
    demonstrator: Demonstrator,
    first: int,
    split: Split,
    *,
    number: int | None = None,
    pictures_only: bool = False,
    refuse: Callable[[str, str], None] | None = None,
) -> Iterator[tuple[Problem, Response]]:
    """Demonstrations from number `first` on: so many numbers of them, or without end.

    With `pictures_only`, those without a picture are passed over; ValueError if all of them are.
    Of problems that have no demonstration `refuse` is told id and reason; without it they raise.
    """
    passed_over = 0
    for index in count(first) if number is None else range(first, first + number):
        try:
            problem, response = demonstrator.demonstration(index, split)
        except NoDemonstration as error:
            if refuse is None:
                raise
            refuse(error.id, error.reason)
            continue
        if problem.images or not pictures_only:
            passed_over = 0
            yield problem, response
        elif (passed_over := passed_over + 1) == PASSED_OVER:
            raise ValueError(
                f"{PASSED_OVER} demonstrations in a row, up to problem {problem.id}, have no "
                "picture; this stage needs a task with pictures (task.modality=image)"
            )


class TaskSource:
    """Problems of a procedural task: no question comes twice in a pool, none is in both.

    `demonstrations` is the manner of the demonstrator, of which the task takes what it knows
    (`Task.demonstrate`); of a list, each demonstration draws one value. Where the task has fewer
    questions, the pool to train on is smaller.

    Raises ValueError for levels and forms that the task does not have, and for more held-out
    problems than it has questions.
    """

    def __init__(
        self,
        task: Task,
        *,
        train_problems: int = 400,
        held_out_problems: int = 400,
        max_response_tokens: int = 128,
        demonstrations: Mapping[str, Any] | None = None,
    ) -> None:
        if train_problems < 1:
            raise ValueError(f"data.train_problems={train_problems}: must be at least 1")
        self.task = task
        self.words = task.words
        self.max_response_tokens = max_response_tokens
        self.manner = manner_of(task, demonstrations or {})
        for level in task.levels:  # one that it does not have is refused here
            task.sample(Random(0), level)
        task.problem(0)  # and a form that it does not have
        self.held_out = self._pool(task.held_out(held_out_problems), "held_out")
        self.train = self._pool(task.different(train_problems, "train"), "train")
        if len(self.train) < train_problems:
            say_once(
                f"data.train_problems={train_problems}: task {task.name!r} has {len(self.train)} "
                f"different questions to train on at task.levels={list(task.levels)}"
            )

    def demonstration(self, index: int, split: Split = "train") -> tuple[Problem, str]:
        """A fresh problem; questions come again."""
        return shown(self.task, self.manner, index, split)

    def _pool(self, numbers: Sequence[int], split: Split) -> LazyProblems:
        problem = cache(partial(self.task.problem, split=split))
        return LazyProblems(partial(problem, number) for number in numbers)


def shown(
    task: Task, manner: Mapping[str, Any], index: int, split: Split = "train"
) -> tuple[Problem, str]:
    """Problem number `index` of a task with a demonstration in this manner; of a list, it draws one
    value.
    """
    problem = task.problem(index, split)
    rng = Random(f"demonstration {problem.id}")
    drawn = {
        name: rng.choice(value) if isinstance(value, list | tuple) else value
        for name, value in manner.items()
    }
    return problem, task.demonstrate(problem, rng, **drawn)


def manner_of(task: Task, manner: Mapping[str, Any]) -> dict[str, Any]:
    """What a task's demonstrator takes of the manner that a stage asks for."""
    parameters = signature(task.demonstrate).parameters
    return {name: value for name, value in manner.items() if name in parameters}
