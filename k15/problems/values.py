"""What a record's field may hold: text, or a number that is written out as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isfinite
from numbers import Real
from typing import Any

UNREADABLE = re.compile("[\0\ud800-\udfff]")
"""NUL, which C cuts a text at, and half a surrogate pair, which no encoding can write."""
LONGEST_LEVEL = 9  # digits
SHOWN = 80  # characters of a value in an error


def as_text(value: Any) -> str | None:
    """Text without the space around it, a number as it is written by hand; None for all else.

    Example: `4`, `4.0` and `" 4 "` are "4", `1e-7` is "0.0000001"; `True`, `[4]`, NaN are None.
    """
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool) or not isinstance(value, Real | Decimal) or not isfinite(value):
        return None
    number = Decimal(str(value))
    text = f"{number:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) if number else "0"


def as_texts(value: Any) -> list[str] | None:
    """A list of texts or numbers as texts, with the space around them; None for all else."""
    if not isinstance(value, list | tuple):
        return None
    texts = [item if isinstance(item, str) else as_text(item) for item in value]
    found = [text for text in texts if text is not None]
    return found if len(found) == len(texts) else None


def flaw(text: str) -> str | None:
    """What makes a text unusable, for a person; None if nothing does."""
    found = UNREADABLE.search(text)
    if found is None:
        return None
    kind = "NUL" if found[0] == "\0" else "half a surrogate pair"
    return f"holds {kind} (\\u{ord(found[0]):04x} at character {found.start() + 1})"


def level_of(value: Any) -> int | None:
    """The number in `3`, `"3"` or `"Level 3"`; None where there is none ("Level ?")."""
    digits = re.search(r"\d+", as_text(value) or "")
    return int(digits[0]) if digits and len(digits[0]) <= LONGEST_LEVEL else None


def described(value: Any) -> str:
    """A value and what it is, for the end of an error."""
    text = repr(value)
    return f"{text if len(text) <= SHOWN else text[:SHOWN] + '...'} ({_kind(value)})"


def _kind(value: Any) -> str:
    if isinstance(value, Sequence) and value and _is_message(value[0]):
        return "chat messages; give the text of the question"
    if isinstance(value, str) and not value.strip():
        return "blank text"
    kinds: dict[type, str] = {
        str: "text",
        bool: "true or false",
        Real: "a number",
        bytes: "bytes; decode them",
        Mapping: "a mapping",
        Sequence: "a list",
    }
    named = (name for kind, name in kinds.items() if isinstance(value, kind))
    return "null" if value is None else next(named, type(value).__name__)


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and "content" in value
