"""The procedural task's problems as documents: worked, as text or as pictures; nothing to
download.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from random import Random
from typing import Any, Literal

from k15.problems.documents.source import Demonstration, Item, Refusal
from k15.problems.sources import DemonstratedSource, NoDemonstration, manner_of, shown
from k15.questions import Split, parts_of
from k15.tasks.base import Task
from k15.types import Document, Problem


class WorkedProblems:
    """Endless demonstrations of a task, question and response as one text.

    `demonstrations` is the manner of the demonstrator (`Task.demonstrate`). With
    `modality="image"` the question is a picture. `levels` in place of the task's.
    """

    def __init__(
        self,
        task: Task,
        *,
        modality: Literal["text", "image"] = "text",
        demonstrations: Mapping[str, Any] | None = None,
        levels: Sequence[int] | None = None,
    ) -> None:
        self.task = task.variant(modality, levels)
        self.words = task.words
        self.manner = manner_of(task, demonstrations or {})

    def read(
        self, first: int = 0, split: Split = "train", turn: int = 0
    ) -> Iterator[tuple[int, Item]]:
        """As `DocumentSource.read`; there is one turn, which does not end."""
        for index in count(first):
            problem, response = shown(self.task, self.manner, index, split)
            yield index, document_of(problem, response)


def document_of(problem: Problem, response: str) -> Document:
    """What is asked and answered, one behind the other."""
    parts = [
        None if part["type"] == "image" else part["text"]
        for message in problem.prompt
        for part in parts_of(message)
    ]
    merged: list[str | None] = []
    for part in [*parts, response]:
        if merged and part is not None and merged[-1] is not None:
            merged[-1] += part
        else:
            merged.append(part)
    return Document(id=problem.id, parts=tuple(merged), images=problem.images)


class Demonstrations:
    """What assistants are to say, as a source: those of the run's data (`data=chat`, `data=math`,
    `data=task`). Of a file each row comes once in a turn; a procedural task's do not end.
    """

    def __init__(self, source: DemonstratedSource, *, endless: bool = False) -> None:
        self.source = source
        self.words = source.words
        self.endless = endless

    def read(
        self, first: int = 0, split: Split = "train", turn: int = 0
    ) -> Iterator[tuple[int, Item]]:
        """As `DocumentSource.read`."""
        problems = self.source.train if split == "train" else self.source.held_out
        if self.endless:
            numbers: Iterable[int] = count(first)
        else:
            order = Random(f"demonstrations {turn}").sample(range(len(problems)), len(problems))
            numbers = range(first, len(order))
        for number in numbers:
            index = number if self.endless else order[number]
            try:
                yield number, Demonstration(*self.source.demonstration(index, split))
            except NoDemonstration as error:
                yield number, Refusal(error.id, "no demonstration", error.reason)
