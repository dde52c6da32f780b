"""Problems of a file or a data set of records, on two sides by what they ask."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from k15.problems.lazy import LazyProblems
from k15.problems.pictures import Picture, illustrated, picture
from k15.problems.records import read_records
from k15.problems.rows import Names, Row, distinct, renamed
from k15.questions import Split, is_held_out
from k15.types import Message, Problem

HELD_OUT_ONE_IN = 10  # questions
LISTED = 5  # places that are named one by one


class Entry(NamedTuple):
    """A problem whose pictures are still where they lie."""

    problem: Problem
    pictures: Sequence[Picture]
    question: str
    """Its fingerprint: the record's own text and pictures, without the instruction."""


class RecordPools(ABC):
    """Problems of a JSON-lines file, or of a Hugging Face data set by name; a subclass says how a
    record becomes one (`entry`).

    `fields` says under which name, or names, the records hold each part of a problem;
    `fields.images` names a picture or a list of them, as files that lie in the folder `images` or
    beside the records, or as their bytes; they are decoded when the problem is asked for. One
    question in ten is held out, and of fewer at least one, unless `held_out_path` names a file of
    its own, whose questions are then left out of training and named. Records that ask the same are
    on one side; of more held-out ones than `held_out_problems` the choice goes by the question,
    too. Every record that cannot be used is reported with its line and the reason; none is skipped.
    """

    FIELDS: ClassVar[Names] = {}

    def __init__(
        self,
        path: str,
        *,
        held_out_path: str | None = None,
        split: str = "train",
        fields: Mapping[str, str | Sequence[str] | None] | None = None,
        domain: str = "math",
        system: str | None = None,
        images: str | None = None,
        train_problems: int | None = None,
        held_out_problems: int = 400,
        max_response_tokens: int = 1024,
    ) -> None:
        """`system` is a turn in front of every problem that has none of its own."""
        self.words: tuple[str, ...] = ()
        self.max_response_tokens = max_response_tokens
        self.fields = renamed(self.FIELDS, fields)
        self.domain = domain
        self.system = system
        self.folder = Path(images) if images else Path(path).parent
        entries = self._entries(path, split)
        if held_out_path is None:
            held_out = held_out_of(entries)
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

    @abstractmethod
    def entry(self, row: Row) -> Entry:
        """One record. Raises ValueError naming place and field."""

    def drawn(self, index: int, split: Split) -> Problem:
        """Problem number `index` of a side, which begins anew behind its last one."""
        pool = self.train if split == "train" else self.held_out
        return pool[index % len(pool)]

    def messages(self, *turns: Message) -> tuple[Message, ...]:
        """The turns, behind the system turn that is to stand in front of all."""
        if self.system is None or turns[0]["role"] == "system":
            return turns
        return {"role": "system", "content": self.system}, *turns

    def pictures(self, names: Sequence[Any], row: Row, label: str) -> list[Picture]:
        """Those of a record."""
        return [picture(name, row, "images", folder=self.folder, label=label) for name in names]

    def _entries(self, path: str, split: str) -> list[Entry]:
        rows = read_records(path, split, self.fields)
        entries = [(row, self.entry(row)) for row in rows]
        distinct((row, entry.problem) for row, entry in entries)
        return [entry for _, entry in entries]


def held_out_of(entries: Sequence[Entry]) -> list[Entry]:
    """One question in ten; of few of which that is none, the first by its fingerprint."""
    found = [one for one in entries if is_held_out(one.question, HELD_OUT_ONE_IN)]
    if found or len({one.question for one in entries}) < 2:
        return found
    first = min(one.question for one in entries)
    return [one for one in entries if one.question == first]


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


def listed(value: Any) -> list[Any]:
    """The pictures that a record names: one, a list of them, or none."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
