"""Where problems come from: a procedural task, or a file or data set of records.

A source has a pool to train on, a held-out split that shares no question with it, and
demonstrations for the warm-up stages. An own source implements `ProblemSource`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, overload

from k15.config.errors import ConfigError
from k15.problems.pictures import in_order, picture, placed
from k15.problems.records import read_records
from k15.problems.rows import Names, Row, distinct, renamed
from k15.tasks.base import Split, Task, is_held_out
from k15.types import Problem

if TYPE_CHECKING:
    from PIL.Image import Image

PASSED_OVER = 1000  # demonstrations without a picture in a row, after which none is expected


class NoDemonstration(ConfigError):
    """A problem that a source cannot show an answer to."""

    def __init__(self, problem: Problem, reason: str) -> None:
        super().__init__(f"problem {problem.id}: {reason}")
        self.id = problem.id
        self.reason = reason


class ProblemSource(Protocol):
    """What the datamodules need of a source."""

    words: tuple[str, ...]
    """The tiny tokenizer's whole vocabulary; empty for free text."""
    max_response_tokens: int
    """How long a response may get."""
    train: Sequence[Problem]
    held_out: Sequence[Problem]

    def demonstration(
        self, index: int, *, give_up: Sequence[float], max_trials: int, split: Split = "train"
    ) -> tuple[Problem, str]:
        """Problem number `index` (endless) of a split with a response that shows how.

        Raises NoDemonstration if there is none for it.
        """
        ...


def demonstrations(
    source: ProblemSource,
    first: int,
    split: Split,
    *,
    give_up: Sequence[float],
    max_trials: int,
    pictures_only: bool = False,
    refuse: Callable[[str, str], None] | None = None,
) -> Iterator[tuple[Problem, str]]:
    """Demonstrations from number `first` on, without end.

    With `pictures_only`, those without a picture are passed over; ValueError if all of them are.
    Of problems that have no demonstration `refuse` is told id and reason; without it they raise.
    """
    passed_over = 0
    for index in count(first):
        try:
            problem, response = source.demonstration(
                index, give_up=give_up, max_trials=max_trials, split=split
            )
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


class TaskPool(Sequence[Problem]):
    """The first `size` problems of a task's split, each made when it is first asked for."""

    def __init__(self, task: Task, size: int, split: Split) -> None:
        if size < 1:
            raise ValueError(f"data: the {split} pool has size {size}; it must be at least 1")
        self.size = size
        self._problem = cache(lambda index: task.problem(index, split))

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, index: int) -> Problem: ...

    @overload
    def __getitem__(self, index: slice) -> list[Problem]: ...

    def __getitem__(self, index: int | slice) -> Problem | list[Problem]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self.size))]
        if not -self.size <= index < self.size:
            raise IndexError(index)
        return self._problem(index % self.size)


class TaskSource:
    """Problems of a procedural task.

    Raises ValueError for levels and forms that the task does not have.
    """

    def __init__(
        self,
        task: Task,
        *,
        train_problems: int = 400,
        held_out_problems: int = 400,
        max_response_tokens: int = 128,
    ) -> None:
        self.task = task
        self.words = task.words
        self.max_response_tokens = max_response_tokens
        self.train = TaskPool(task, train_problems, "train")
        self.held_out = TaskPool(task, held_out_problems, "held_out")
        for level in task.levels:  # one that it does not have is refused here
            task.sample(Random(0), level)
        self.train[0]  # and a form that it does not have

    def demonstration(
        self, index: int, *, give_up: Sequence[float], max_trials: int, split: Split = "train"
    ) -> tuple[Problem, str]:
        """A fresh problem, tried at most `max_trials` times.

        The patience is drawn from `give_up`, the chances of stopping after a failed trial.
        """
        problem = self.task.problem(index, split)
        rng = Random(f"demonstration {problem.id}")
        patience = rng.choice(list(give_up))
        return problem, self.task.demonstrate(problem, rng, max_trials=max_trials, give_up=patience)


class RecordSource:
    """Problems of a JSON-lines file, or of a Hugging Face data set by name.

    `fields` says under which name the records hold each part of a problem; `fields.images` names a
    picture or a list of them, as files that lie in the folder `images` or beside the records, or as
    their bytes. One question in ten is held out by a hash, unless `held_out_path` names a file of
    its own. Every record that cannot be used is reported with its line and the reason; none is
    skipped.
    """

    FIELDS: ClassVar[Names] = {"difficulty": ("level",), "images": ()}

    def __init__(
        self,
        path: str,
        *,
        held_out_path: str | None = None,
        split: str = "train",
        fields: Mapping[str, str] | None = None,
        domain: str = "math",
        instruction: str = "",
        images: str | None = None,
        demonstrate: str = "solution",
        train_problems: int | None = None,
        held_out_problems: int = 400,
        max_response_tokens: int = 1024,
    ) -> None:
        self.words: tuple[str, ...] = ()
        self.max_response_tokens = max_response_tokens
        self.fields = renamed(self.FIELDS, fields)
        self.domain = domain
        self.instruction = instruction
        self.folder = Path(images) if images else Path(path).parent
        if demonstrate not in ("solution", "answer"):
            raise ValueError(f"data.demonstrate={demonstrate!r}: choose solution or answer")
        self.demonstrate = demonstrate
        problems = self._load(path, split)
        if held_out_path is not None:
            self.train, self.held_out = (
                problems,
                self._load(held_out_path, split)[:held_out_problems],
            )
        else:
            self.train = [problem for problem in problems if not is_held_out(problem)]
            self.held_out = [problem for problem in problems if is_held_out(problem)][
                :held_out_problems
            ]
        self.train = self.train[:train_problems]
        for name, pool in (("training", self.train), ("held-out", self.held_out)):
            if not pool:
                raise ValueError(
                    f"data.path={path!r}: no {name} problems among {len(problems)} records"
                )

    def demonstration(
        self, index: int, *, give_up: Sequence[float], max_trials: int, split: Split = "train"
    ) -> tuple[Problem, str]:
        """The written solution, or the boxed answer alone, of a problem.

        Patience has no meaning for a written solution: `give_up` and `max_trials` are ignored.
        Raises NoDemonstration if a solution is to be shown and the problem has none.
        """
        pool = self.train if split == "train" else self.held_out
        problem = pool[index % len(pool)]
        if self.demonstrate == "answer":
            return problem, f"\\boxed{{{problem.answer}}}"
        if "solution" not in problem.meta:
            raise NoDemonstration(
                problem,
                f"{problem.meta['place']} has no solution: data.fields.solution=... names its "
                "field, data.demonstrate=answer does without",
            )
        return problem, problem.meta["solution"]

    def _load(self, path: str, split: str) -> list[Problem]:
        rows = read_records(path, split, self.fields)
        return [problem for _, problem in distinct((row, self._problem(row)) for row in rows)]

    def _problem(self, row: Row) -> Problem:
        text = f"{row.text('problem')}\n{self.instruction}".strip()
        id, meta = row.identity(row.place), {"place": row.place}
        if row.get("solution"):
            meta["solution"] = row.text("solution")
        content, images = self._pictures(row, text, id)
        return Problem(
            id=id,
            prompt=({"role": "user", "content": content},),
            answer=row.answer(),
            images=images,
            domain=self.domain,
            difficulty=row.level("difficulty"),
            meta=meta,
        )

    def _pictures(self, row: Row, text: str, id: str) -> tuple[Any, tuple[Image, ...]]:
        """What the message holds, and the pictures in its order."""
        if row.get("images") is None:
            return text, ()
        given = row.get("images")
        label = f"problem {id}"
        try:
            chosen = in_order(text, given if isinstance(given, list) else [given])
            content = placed(text, len(chosen))
        except ConfigError as error:
            raise ConfigError(f"{row.place}: {label}: {error}") from error
        found = [picture(g, row, "images", folder=self.folder, label=label) for g in chosen]
        for one in found:
            one.check()
        return content, tuple(one.load() for one in found)
