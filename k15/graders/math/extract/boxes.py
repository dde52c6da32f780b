r"""What stands in `\boxed{}`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 50_000  # characters between the braces of a box
MOST = 20  # boxes that a list may have
BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
ANY_BOX = re.compile(r"(?:\\|(?<![A-Za-z\\]))(?:boxed|fbox)\s*\{")
EMPTY_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{\s*\}")
BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
# What may stand between two boxes of one list: no words, or at most some that end in "and"; never
# the end of a sentence. The next one may have a name: x = \boxed{5}.
TIE = re.compile(
    r"(?:[^A-Za-z0-9.?!。？！]*|[^.?!。？！]{0,60}?(?:\b(?:and|or)\b|[,;和或、，；])\s*)"
    r"(?:[A-Za-z](?:_\{?\w+\}?)?\s*=\s*)?"
)
DELIMITER = re.compile(r"\$\$?|\\[()\[\]\\]|\\q?quad|\\text\s*\{\s*(and|or)\s*\}|[{}]")
PERCENT = re.compile(r"[\s$}]*(?:\\?%|percent|pct)")


@dataclass(frozen=True, slots=True)
class Box:
    """`text` stands between the braces; the box takes `start` to `end`."""

    text: str
    start: int
    end: int


def last_box(text: str) -> str | None:
    r"""Content of the last `\boxed{...}`, the inner one of two nested; None if it is not closed."""
    starts = [match.end() for match in BOX.finditer(text)]
    end = closing(text, starts[-1]) if starts else None
    return None if end is None else text[starts[-1] : end]


def last_boxes(text: str) -> Box | None:
    """The last box that holds something, or the list that the last boxes make, as one box.

    The backslash may be missing; of a box that is never closed, its line counts.
    """
    boxes = list(filled(text))[-MOST:]
    if not boxes:
        return None
    found = [boxes.pop()]
    while boxes and (box := boxes.pop()) and tied(text[box.end : found[0].start]):
        found.insert(0, box)
    inner = ", ".join(dict.fromkeys(box.text for box in found))
    return Box(inner, found[-1].start, found[-1].end)


def filled(text: str) -> Iterator[Box]:
    """The boxes that are not empty and hold no other one."""
    starts = list(ANY_BOX.finditer(text))[-2 * MOST :]
    for match, after in zip(starts, [*starts[1:], None], strict=False):
        end = closing(text, match.end())
        if end is None and after is None:
            end = (text.find("\n", match.end()) + 1 or len(text) + 1) - 1
        if end is None or (after and after.start() < end):
            continue
        inner = text[match.end() : end].strip()
        percent = PERCENT.match(text, end + 1)
        if inner:
            yield Box(inner + ("%" if percent else ""), match.start(), end + 1)


def closing(text: str, start: int) -> int | None:
    """Where the brace stands that closes what was opened before `start`; None if there is none."""
    depth = 1
    for token in BRACE.finditer(text, start, start + LONGEST):
        depth += {"{": 1, "}": -1}.get(token[0], 0)
        if depth == 0:
            return token.start()
    return None


def tied(between: str) -> bool:
    """Whether the boxes before and after are items of one list."""
    return len(between) < 200 and bool(TIE.fullmatch(DELIMITER.sub(r"\1", between)))
