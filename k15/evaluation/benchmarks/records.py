"""Benchmarks whose problems are records of a data set on the hub or of a local file."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from k15.config.errors import ConfigError
from k15.evaluation.benchmark import Benchmark
from k15.records import read_records
from k15.types import Problem

Names = Mapping[str, Sequence[str]]
"""Part of a problem -> the names a record may have for it; the first one there counts."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record, where it stands, and how its parts are called."""

    place: str
    record: Mapping[str, Any]
    names: Names
    number: int
    """In its source, from 0."""

    def get(self, part: str) -> Any:
        """The value of a part; None where there is none."""
        values = (self.record.get(name) for name in self._names(part))
        return next((value for value in values if value is not None), None)

    def text(self, part: str) -> str:
        """A part that has to be there and to be text.

        Raises ValueError with place, field and what is there instead.
        """
        value = self.get(part)
        if not isinstance(value, str) or not value.strip():
            raise self.fault(part, "must be text")
        return value.strip()

    def answer(self, part: str = "answer") -> str:
        """A reference answer as text; a number is written out, a whole one without decimals.

        Raises ValueError for anything else, with place and field.
        """
        value = self.get(part)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(int(value)) if value == int(value) else repr(value)
        if not isinstance(value, str) or not value.strip():
            raise self.fault(part, "must be text or a number")
        return value.strip()

    def texts(self, part: str) -> list[str]:
        """A list of texts, empty where the part is missing or null.

        Raises ValueError if it is anything else.
        """
        value = self.get(part)
        if value is None:
            return []
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
            raise self.fault(part, "must be a list of texts")
        return list(value)

    def fault(self, part: str, what: str) -> ValueError:
        """What to raise about a part that cannot be used."""
        names = self._names(part)
        present = next((name for name in names if name in self.record), None)
        if present is None:
            has = f"no field {' or '.join(map(repr, names))}; the record has {sorted(self.record)}"
            return ValueError(
                f"{self.place}: {has}. Name the right one with fields.{part}=<name> of the "
                "benchmark, or mend the record"
            )
        return ValueError(f"{self.place}: field {present!r} {what}, got {self.record[present]!r}")

    def _names(self, part: str) -> Sequence[str]:
        return self.names.get(part, (part,))


class RecordBenchmark(Benchmark):
    """One problem per record. A benchmark of this kind says how a record becomes a problem
    (`problem`) and how a response is graded (`grade`).
    """

    FIELDS: ClassVar[Names] = {}
    """What the records of the data set and of files in circulation call the parts."""
    NEEDED: ClassVar[str] = "the fields problem and answer"
    """What a local file has to hold, for a person."""

    def __init__(
        self,
        path: str,
        *,
        split: str = "test",
        config: str | Sequence[str] | None = None,
        fields: Mapping[str, str] | None = None,
        **asking: Any,
    ) -> None:
        """Read nothing yet.

        Args:
            path: a .jsonl, .json, .jsonl.gz or .parquet file, or a data set on the hub.
            split: of the data set.
            config: of the data set, or several that follow each other.
            fields: part -> the name your records have for it.
            asking: of `Benchmark`.
        """
        super().__init__(**asking)
        self.path, self.split, self.config = path, split, config
        self.fields = {**self.FIELDS, **{part: (n,) for part, n in (fields or {}).items()}}

    @abstractmethod
    def problem(self, row: Row) -> Problem | None:
        """One record as a problem; None leaves it out.

        Raises ValueError naming place and field.
        """

    def problems(self) -> Sequence[Problem]:
        """One per record, in the order of the source.

        Raises ValueError for a source that cannot be read, and for two records with one id.
        """
        return [problem for _, problem in self.entries()]

    def entries(self) -> list[tuple[Row, Problem]]:
        """The records that are used, with their problems."""
        made = ((row, self.problem(row)) for row in self.rows())
        entries = [(row, problem) for row, problem in made if problem is not None]
        first: dict[str, str] = {}
        for row, problem in entries:
            if problem.id in first:
                earlier = first[problem.id]
                raise ConfigError(
                    f"{row.place}: the id {problem.id!r} is already that of {earlier}"
                )
            first[problem.id] = row.place
        if not entries:
            raise ConfigError(f"benchmark {self.name}: no record of {self.path!r} is to be used")
        return entries

    def rows(self) -> Iterator[Row]:
        """Every record; ids that a source does not give are counted from 0."""
        several = not isinstance(self.config, str | None) and not Path(self.path).is_file()
        configs = self.config if several else [self.config]
        assert configs is not None
        number = 0
        for config in configs:
            records = read_records(
                self.path,
                self.split,
                config=config,  # type: ignore[arg-type]
                field=f"benchmark.{self.name}.path",
                wanted=self.NEEDED,
            )
            for place, record in records:
                yield Row(place, record, self.fields, number)
                number += 1


def identity(row: Row) -> str:
    """The id that a record has, or its number."""
    given = row.get("id")
    return str(row.number if given is None else given)
