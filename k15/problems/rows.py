"""One record of a source, read part by part; what cannot be used is refused by place and field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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


def identity(row: Row) -> str:
    """The id that a record has, or its number."""
    given = row.get("id")
    return str(row.number if given is None else given)
