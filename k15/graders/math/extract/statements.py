"""What a response states, and what of it it denies; the words are those of `phrases`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from k15.graders.math.extract.phrases import (
    ABBREVIATED,
    LEAD,
    NOT,
    RETRACTED,
    SENTENCE,
    SUPPOSED,
    TAG,
    WRONG,
)

MOST = 40  # statements that are looked at, from the last one backwards
NEAR = 300  # characters of a sentence that ends in "is the answer"


def stated(text: str, pattern: re.Pattern[str]) -> Iterator[int]:
    """Where an answer begins that a closing phrase announces, the last one first."""
    for match in reversed(list(pattern.finditer(text))[-MOST:]):
        if not SUPPOSED.search(text, max(0, match.start() - 80), match.start()):
            yield leading(text, match.end())


def named_before(text: str, pattern: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Start and end of the sentences up to "is the answer", the last one first."""
    for match in reversed(list(pattern.finditer(text))[-MOST:]):
        earlier = max(0, match.start() - NEAR)
        stops = [stop.end() for stop in SENTENCE.finditer(text, earlier, match.start())]
        yield (stops[-1] if stops else earlier), match.start()


def tagged(text: str) -> tuple[str, int] | None:
    """What stands in the last `<answer>` that is not empty, and where; its end may be missing."""
    for tag in reversed(list(TAG.finditer(text))[-MOST:]):
        if inner := text[tag.end() :].partition("</")[0].strip():
            return inner, tag.start()
    return None


def leading(text: str, start: int) -> int:
    """Where the answer itself begins, behind colons, quotation marks and words without content."""
    found = LEAD.match(text, start)
    return found.end() if found else start


def sentence_end(text: str, start: int) -> int:
    """Where the sentence ends that `start` is in; the stop itself is not in it."""
    for stop in SENTENCE.finditer(text, start):
        place = stop.start()
        if stop[0] != "." or not ABBREVIATED.search(text, max(start, place - 8), place):
            return place
    return len(text)


def undenied(text: str) -> str:
    """Without the answers that the text says are none: `not 5 but 6`, `(C) is wrong, so (B)`."""
    return WRONG.sub("", NOT.sub(r"\1", text))


def upheld(text: str) -> str:
    """What follows the last sentence that takes back all that was said before."""
    retractions = list(RETRACTED.finditer(text))
    return text[retractions[-1].end() :] if retractions else text
