"""Benchmarks whose problems are records of a data set on the hub or of a local file."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from k15.config.errors import ConfigError
from k15.evaluation.benchmark import Benchmark
from k15.problems.records import read_records
from k15.problems.rows import Names, Row, distinct, renamed
from k15.types import Problem


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
        self.fields = renamed(self.FIELDS, fields)

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
        entries = distinct((row, problem) for row, problem in made if problem is not None)
        if not entries:
            raise ConfigError(f"benchmark {self.name}: no record of {self.path!r} is to be used")
        return entries

    def rows(self) -> Iterator[Row]:
        """Every record; ids that a source does not give are counted from 0."""
        several = not isinstance(self.config, str | None) and not Path(self.path).is_file()
        configs = self.config if several else [self.config]
        assert configs is not None
        sources = (
            read_records(
                self.path,
                self.split,
                self.fields,
                config=config,  # type: ignore[arg-type]
                setting=f"benchmark.{self.name}.path",
                wanted=self.NEEDED,
            )
            for config in configs
        )
        return numbered(chain.from_iterable(sources))


def numbered(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows of several sources, counted through."""
    return (replace(row, number=number) for number, row in enumerate(rows))
