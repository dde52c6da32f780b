"""One record of a source, read part by part; what cannot be used is refused by place and field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from k15.config.errors import ConfigError
from k15.problems.values import as_text, as_texts, described, flaw, level_of
from k15.types import Problem

Names = Mapping[str, Sequence[str]]
"""Part of a problem -> the names a record may have for it; the first one there counts."""
WHOLE = re.compile("[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Row:
    """One record, where it stands, and how its parts are called.

    Its methods raise ValueError with place, field, what is there and the way out.
    """

    place: str
    record: Mapping[str, Any]
    names: Names = field(default_factory=dict)
    number: int = 0
    """In its source, from 0."""
    setting: str = "data.path"
    """What the source comes from; `fields` beside it names the parts."""

    def get(self, part: str) -> Any:
        """The value of a part; None where there is none."""
        values = (self.record.get(name) for name in self._names(part))
        return next((value for value in values if value is not None), None)

    def text(self, part: str) -> str:
        """A part that has to be there and to be text."""
        value = self.get(part)
        if not isinstance(value, str) or not value.strip():
            raise self.fault(part, "must be text")
        return self.clean(part, value.strip())

    def verbatim(self, part: str) -> str:
        """A text as it is, such as a model's response: it may be empty, and hold anything."""
        value = self.get(part)
        if not isinstance(value, str):
            raise self.fault(part, "must be text")
        return value

    def answer(self, part: str = "answer") -> str:
        """A reference answer or an id as text; a number is written out, a whole one without
        decimals.
        """
        value = as_text(self.get(part))
        if value is None:
            raise self.fault(part, "must be text or a number")
        return self.clean(part, value)

    def identity(self, default: object) -> str:
        """The id that a record has, or another one."""
        return str(default) if self.get("id") is None else self.answer("id")

    def texts(self, part: str) -> list[str]:
        """A list of texts or numbers, as texts; empty where the part is missing or null."""
        given = self.get(part)
        return [] if given is None else self.texts_of(part, given)

    def texts_of(self, part: str, value: Any) -> list[str]:
        """The same for a value that was read out of the part."""
        texts = as_texts(value)
        if texts is None:
            raise self.fault(part, "must be a list of texts")
        return [self.clean(part, text) for text in texts]

    def whole(self, part: str) -> int | None:
        """A whole number that is not negative; None where the part is missing or null."""
        if self.get(part) is None:
            return None
        text = self.answer(part)
        if not WHOLE.fullmatch(text):
            raise self.fault(part, "must be a whole number")
        return int(text)

    def mapping(self, part: str) -> Mapping[str, Any]:
        """A mapping, empty where the part is missing or null."""
        value = self.get(part)
        if value is not None and not isinstance(value, Mapping):
            raise self.fault(part, "must be a mapping")
        return value or {}

    def level(self, part: str = "level") -> int | None:
        """How difficult the problem is; None where it does not say."""
        return level_of(self.get(part))

    def clean(self, part: str, text: str) -> str:
        """A part's text, which must not hold what cannot be written or tokenised."""
        if found := flaw(text):
            raise self.fault(part, found)
        return text

    def wrong(self, part: str, what: str) -> ConfigError:
        """What to raise about something within a part."""
        name = next((name for name in self._names(part) if name in self.record), part)
        return ConfigError(f"{self.place}: field {name!r}: {what}. {self._way_out(part)}")

    def fault(self, part: str, what: str) -> ConfigError:
        """What to raise about a part that cannot be used."""
        names = self._names(part)
        present = [name for name in names if name in self.record]
        if not present:
            has = f"no field {' or '.join(map(repr, names))}; the record has {sorted(self.record)}"
            return ConfigError(f"{self.place}: {has}. {self._way_out(part)}")
        name = next((name for name in present if self.record[name] is not None), present[0])
        found = described(self.record[name])
        return ConfigError(
            f"{self.place}: field {name!r} {what}, got {found}. {self._way_out(part)}"
        )

    def _way_out(self, part: str) -> str:
        owner, _, last = self.setting.rpartition(".")
        if last != "path":
            return "Mend the record"
        return f"Mend the record, or name another field with {owner}.fields.{part}=<name>"

    def _names(self, part: str) -> Sequence[str]:
        return self.names.get(part, (part,))


def renamed(names: Names, own: Mapping[str, str | Sequence[str] | None] | None) -> Names:
    """Names of parts, where `own` has one, or several, these alone; null: records do not have the
    part.
    """
    given = {part: [name] if isinstance(name, str) else name for part, name in (own or {}).items()}
    return {**names, **{part: tuple(some or ()) for part, some in given.items()}}


def distinct(made: Iterable[tuple[Row, Problem]]) -> list[tuple[Row, Problem]]:
    """Rows and their problems; raises ValueError for two problems with one id, with both places."""
    entries = list(made)
    first: dict[str, str] = {}
    for row, problem in entries:
        earlier = first.setdefault(problem.id, row.place)
        if earlier != row.place:
            raise ConfigError(
                f"{row.place}: the id {problem.id!r} is already that of {earlier}; ids tell "
                "problems apart"
            )
    return entries
