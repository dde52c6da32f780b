"""Where a response stops thinking and starts answering."""

from __future__ import annotations

import re

OPENS = re.compile(r"<think(?:ing)?>|◁think▷")
CLOSES = re.compile(r"</think(?:ing)?>|◁/think▷")


def conclusion(response: str) -> str:
    """What a response says outside of its thoughts, after the last of them; "" while it thinks.

    A template may have opened the thoughts in the prompt, so that only their end is in the text.
    """
    _, answer = parted(response)
    return answer


def parted(response: str) -> tuple[str, str]:
    """The thoughts with all that stands before them, and the conclusion."""
    ends = [match.end() for match in CLOSES.finditer(response)]
    start = ends[-1] if ends else 0
    opened = OPENS.search(response, start)
    answer = response[start : opened.start() if opened else None]
    return response[:start] + (response[opened.end() :] if opened else ""), answer
