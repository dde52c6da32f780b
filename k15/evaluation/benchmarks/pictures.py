"""Benchmarks with pictures: found, checked before anything is generated, decoded when used."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from k15.config.errors import ConfigError
from k15.evaluation.benchmarks.records import RecordBenchmark
from k15.problems.lazy import LazyProblems
from k15.problems.pictures import Picture, illustrated, picture, placed
from k15.problems.rows import Row
from k15.types import Problem

logger = logging.getLogger(__name__)

MissingImages = Literal["error", "skip", "text_only"]
SHOWN = 5  # ids that a log line names


class PictureBenchmark(RecordBenchmark):
    """Records with pictures; `problem` writes `<image>` or `<image1>` where one stands, else it
    comes first.
    """

    composite: ClassVar[bool] = False
    """Whether one picture may hold all that several tags name."""

    def __init__(
        self,
        path: str,
        *,
        images: str | None = None,
        missing_images: MissingImages = "error",
        **source: Any,
    ) -> None:
        """Read nothing yet.

        Args:
            path: as in `RecordBenchmark`.
            images: the folder that a local file's picture names start from; None: the file's own.
            missing_images: what to do about a picture that is missing or cannot be read: stop
                (error), leave the problem out (skip), or ask all questions without their pictures
                (text_only), as for grading responses made elsewhere.
            source: of `RecordBenchmark`.
        """
        super().__init__(path, **source)
        if missing_images not in get_args(MissingImages):
            choices = ", ".join(get_args(MissingImages))
            raise ConfigError(
                f"benchmark {self.name}: missing_images={missing_images!r}: choose {choices}"
            )
        self.folder = Path(images) if images else Path(path).parent
        self.missing_images = missing_images
        self.left_out: list[str] = []
        """Ids of the problems without a readable picture, with missing_images=skip."""

    def problems(self) -> Sequence[Problem]:
        """Lazy: a picture is read when its problem is asked for.

        Raises ValueError for the first picture that is missing or cannot be read, with the
        problem's id and the file.
        """
        texts = self.entries()
        if self.missing_images == "text_only":
            return [self._placed(problem, 0) for _, problem in texts]
        entries = [self._found(entry) for entry in texts]
        if self.missing_images == "skip":
            entries = self._readable(entries)
        else:
            for _, pictures in islice(entries, self.limit):
                for picture in pictures:
                    picture.check()
        return LazyProblems(partial(illustrated, *entry) for entry in entries)

    def pictures(self, row: Row) -> Sequence[Any]:
        """A record's pictures as it has them (`k15.problems.pictures.picture`)."""
        given = row.get("picture")
        if given is None:
            raise row.fault("picture", "must be a picture")
        return given if isinstance(given, list) else [given]

    def _found(self, entry: tuple[Row, Problem]) -> tuple[Problem, list[Picture]]:
        row, problem = entry
        label = f"benchmark {self.name}, problem {problem.id}"
        found = [
            picture(given, row, "picture", folder=self.folder, label=label)
            for given in self.pictures(row)
        ]
        try:
            return self._placed(problem, len(found)), found
        except ConfigError as error:
            raise ConfigError(f"{label} ({row.place}): {error}") from error

    def _placed(self, problem: Problem, pictures: int) -> Problem:
        [message] = problem.prompt
        content = placed(message["content"], pictures, composite=self.composite)
        return replace(problem, prompt=({**message, "content": content},))

    def _readable(
        self, entries: list[tuple[Problem, list[Picture]]]
    ) -> list[tuple[Problem, list[Picture]]]:
        kept: list[tuple[Problem, list[Picture]]] = []
        self.left_out = []
        for problem, pictures in entries:
            try:
                for picture in pictures:
                    picture.check()
                kept.append((problem, pictures))
            except ValueError:
                self.left_out.append(problem.id)
        if not kept:
            raise ConfigError(
                f"benchmark {self.name}: none of {len(entries)} problems has a readable picture "
                f"(looked in {self.folder.resolve()}); give benchmark.{self.name}.images=<folder>"
            )
        if self.left_out:
            logger.warning(
                "benchmark %s: %d of %d problems left out, their pictures are missing or cannot "
                "be read: %s%s",
                self.name,
                len(self.left_out),
                len(entries),
                ", ".join(self.left_out[:SHOWN]),
                ", ..." if len(self.left_out) > SHOWN else "",
            )
        return kept
