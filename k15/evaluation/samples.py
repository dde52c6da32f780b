"""What an evaluation writes: one line per response, then one line per graded sample.

    <run_dir>/problems.jsonl    what was asked, pictures under images/
    <run_dir>/responses.jsonl   each response as it arrives, before it is graded
    <run_dir>/samples.jsonl     the same, graded
    <run_dir>/results.json      scores (k15.evaluation.results)

A line is written whole and at once, so that a killed run loses nothing but what was being written;
what stands in the files is never generated or graded again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

Key = tuple[str, str, str, int]
"""benchmark, prompting, id, index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer of a model to one problem."""

    benchmark: str
    prompting: str
    id: str
    """The problem's."""
    index: int
    """Which of the problem's samples, from 0."""
    response: str
    tokens: int
    """Output tokens spent on it, those of a search's side branches included."""
    finish: str
    """"stop", "length" (truncated) or "repetition"; "given" for responses made elsewhere."""

    @staticmethod
    def at(key: Key, text: str, tokens: int, finish: str) -> Response:
        """The response to the sample with this key."""
        benchmark, prompting, problem, index = key
        return Response(
            benchmark=benchmark,
            prompting=prompting,
            id=problem,
            index=index,
            response=text,
            tokens=tokens,
            finish=finish,
        )

    @property
    def key(self) -> Key:
        """What tells samples apart."""
        return self.benchmark, self.prompting, self.id, self.index


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(Response):
    """A response and what its grader found."""

    extracted: str | None
    """The answer read out of the response; None if there is none."""
    correct: float
    """1 right, 0 wrong."""
    how: str
    """How the verdict was reached, for a person."""
    found: str = ""
    """Where the answer was found, such as "boxed"; "" where nothing has to be found."""


Line = TypeVar("Line", bound=Response)


class Journal:
    """A file of JSON lines that only grows; what a killed run left half-written is cut off."""

    def __init__(self, path: Path) -> None:
        self._file = open_at_last_whole_line(path)

    def append(self, line: Response) -> None:
        """Write one line at once."""
        text = json.dumps(asdict(line), ensure_ascii=False)
        self._file.write(text.encode(errors="backslashreplace") + b"\n")  # half a surrogate pair
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def open_at_last_whole_line(path: Path) -> Any:
    """The file, open for appending, without a last line that has no end."""
    file = path.open("ab+")
    file.seek(0)
    whole = file.read().rfind(b"\n") + 1
    file.truncate(whole)
    file.seek(0, os.SEEK_END)
    return file


def read(path: Path, kind: type[Line]) -> Iterator[Line]:
    """The lines of a file in their order; none if it is not there.

    Raises ValueError naming the line and the field that is missing.
    """
    names = [field.name for field in fields(kind)]
    needed = [field.name for field in fields(kind) if field.default is MISSING]
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, text in enumerate(file, 1):
            if not text.endswith(b"\n"):
                return  # a killed run was writing it
            row = json.loads(text)
            if missing := [name for name in needed if name not in row]:
                raise ValueError(f"{path}:{number}: no field {', '.join(missing)}")
            yield kind(**{name: row[name] for name in names if name in row})
