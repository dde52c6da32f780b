"""What a response puts forward as its answer: in boxes, in tags, in closing phrases."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from k15.graders.math.extract.boxes import last_boxes
from k15.graders.math.extract.phrases import POSTFIX, REVISED, STATED
from k15.graders.math.extract.statements import named_before, stated, tagged

LONGEST = 2000  # characters of a statement
LABEL = re.compile(r"(?i)\\text\s*\{[^{}]*answer[^{}]*\}\s*")  # \boxed{\text{Answer: }16}

Rule = Literal[
    "boxed", "tagged", "stated", "last formula", "last number", "last letter", "only option",
    "whole", "none",
]  # fmt: skip
"""Where an answer was found; "whole": the response, or a line of it, is the answer."""
Part = Literal["all", "line", "start", "end"]


@dataclass(frozen=True, slots=True)
class Extraction:
    """The answer as it stands in the response, None if there is none; and where it was found."""

    text: str | None
    how: Rule


NONE = Extraction(None, "none")


class Claim(NamedTuple):
    """The answer is in `text`: all of it, what it starts with, or what it ends with."""

    place: int
    text: str
    part: Part
    how: Rule


def claims(
    text: str, before: re.Pattern[str] = STATED, behind: re.Pattern[str] = POSTFIX
) -> list[Claim]:
    """All claims of a text, the last one first; a box counts from where it ends.

    `before` and `behind` are the phrases that stand before an answer and behind one.
    """
    made = list(found(text, before, behind))
    first = min((claim.place for claim in made), default=len(text))
    made += [statement(text, start) for start in stated(text, REVISED) if start > first]
    return sorted(made, key=lambda claim: claim.place, reverse=True)


def found(text: str, before: re.Pattern[str], behind: re.Pattern[str]) -> Iterator[Claim]:
    if box := last_boxes(text):
        yield Claim(box.end, LABEL.sub("", box.text), "all", "boxed")
    if tag := tagged(text):
        yield Claim(tag[1], tag[0], "all", "tagged")
    for start in stated(text, before):
        yield statement(text, start)
    for start, end in named_before(text, behind):
        yield Claim(start, text[start:end], "end", "stated")


def statement(text: str, start: int) -> Claim:
    return Claim(start, text[start : start + LONGEST], "start", "stated")
