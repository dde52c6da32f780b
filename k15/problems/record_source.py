"""Problems of a file or a data set of records, split by what they ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from k15.config.errors import ConfigError
from k15.problems.lazy import LazyProblems
from k15.problems.pictures import Picture, illustrated, in_order, picture, placed
from k15.problems.records import read_records
from k15.problems.rows import Names, Row, distinct, renamed
from k15.problems.sources import NoDemonstration
from k15.questions import Split, fingerprint, is_held_out
from k15.types import Problem

HELD_OUT_ONE_IN = 10  # questions
LISTED = 5  # places that are named one by one


class Entry(NamedTuple):
    """A problem whose pictures are still where they lie."""

    problem: Problem
    pictures: Sequence[Picture]
    question: str
    """Its fingerprint: the record's own text and pictures, without the instruction."""


class RecordSource:
    """Problems of a JSON-lines file, or of a Hugging Face data set by name.

    `fields` says under which name the records hold each part of a problem; `fields.images` names a
    picture or a list of them, as files that lie in the folder `images` or beside the records, or as
    their bytes; they are decoded when the problem is asked for. One question in ten is held out,
    unless `held_out_path` names a file of its own, whose questions are then left out of training
    and named. Records that ask the same are on one side; of more held-out ones than
    `held_out_problems` the choice goes by the question, too. Every record that cannot be used is
    reported with its line and the reason; none is skipped.
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
        entries = self._entries(path, split)
        if held_out_path is None:
            held_out = [one for one in entries if is_held_out(one.question, HELD_OUT_ONE_IN)]
        else:
            held_out = self._entries(held_out_path, split)
        train = without(entries, held_out)
        if held_out_path is not None and len(train) < len(entries):
            say_left_out(without(entries, train), held_out_path)
        self.train = lazy(train[:train_problems])
        self.held_out = lazy(first_questions(held_out, held_out_problems))
        for name, pool in (("training", self.train), ("held-out", self.held_out)):
            if not pool:
                raise ValueError(
                    f"data.path={path!r}: no {name} problems among {len(entries)} records"
                )

    def demonstration(self, index: int, split: Split = "train") -> tuple[Problem, str]:
        """The written solution, or the boxed answer alone, of a problem.

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

    def _entries(self, path: str, split: str) -> list[Entry]:
        rows = read_records(path, split, self.fields)
        entries = [(row, self._entry(row)) for row in rows]
        distinct((row, entry.problem) for row, entry in entries)
        return [entry for _, entry in entries]

    def _entry(self, row: Row) -> Entry:
        own = row.text("problem")
        id, meta = row.identity(row.place), {"place": row.place}
        if row.get("solution"):
            meta["solution"] = row.text("solution")
        content, pictures = self._placed(row, f"{own}\n{self.instruction}".strip(), id)
        meta["question"] = fingerprint(own, [one.digest() for one in pictures])
        problem = Problem(
            id=id,
            prompt=({"role": "user", "content": content},),
            answer=row.answer(),
            domain=self.domain,
            difficulty=row.level("difficulty"),
            meta=meta,
        )
        return Entry(problem, pictures, meta["question"])

    def _placed(self, row: Row, text: str, id: str) -> tuple[Any, list[Picture]]:
        """What the message holds, and the pictures in its order."""
        given = row.get("images")
        if given is None:
            return text, []
        label = f"problem {id}"
        try:
            names = in_order(text, given if isinstance(given, list) else [given])
            content = placed(text, len(names))
        except ConfigError as error:
            raise ConfigError(f"{row.place}: {label}: {error}") from error
        return content, [
            picture(name, row, "images", folder=self.folder, label=label) for name in names
        ]


def without(entries: Sequence[Entry], others: Sequence[Entry]) -> list[Entry]:
    """The entries that ask nothing that the others ask."""
    asked = {entry.question for entry in others}
    return [entry for entry in entries if entry.question not in asked]


def first_questions(entries: Sequence[Entry], number: int) -> list[Entry]:
    """At most so many of the entries, in their order; which ones, no order of the file changes."""
    first = sorted(range(len(entries)), key=lambda index: entries[index].question)[:number]
    return [entries[index] for index in sorted(first)]


def say_left_out(entries: Sequence[Entry], path: str) -> None:
    """Name the problems whose questions are held out."""
    places = ", ".join(str(entry.problem.meta["place"]) for entry in entries[:LISTED])
    more = ", ..." if len(entries) > LISTED else ""
    print(
        f"data.held_out_path={path!r} asks what {len(entries)} of the training problems ask; they "
        f"are left out: {places}{more}",
        flush=True,
    )


def lazy(entries: Sequence[Entry]) -> LazyProblems:
    """The problems; pictures are decoded when a problem is asked for."""
    return LazyProblems(partial(illustrated, entry.problem, entry.pictures) for entry in entries)
