"""Files of JSON lines that only grow: what a long phase has done already, whatever ends it.

A line is written whole and at once, so that a killed run loses nothing but what was being written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Line = TypeVar("Line", bound="DataclassInstance")


class Journal:
    """A file of JSON lines that only grows; what a killed run left half-written is cut off."""

    def __init__(self, path: Path) -> None:
        self._file = open_at_last_whole_line(path)

    def append(self, *lines: DataclassInstance) -> None:
        """Write dataclasses, one a line, at once."""
        texts = (json.dumps(asdict(line), ensure_ascii=False) for line in lines)
        written = "".join(f"{text}\n" for text in texts)
        self._file.write(written.encode(errors="backslashreplace"))  # half a surrogate pair
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
