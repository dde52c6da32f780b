r"""Where a text may be cut: between signs in no bracket, of which `\begin..\end` is one."""

from __future__ import annotations

import re

from k15.graders.math.algebra.values import TooLarge

LONGEST_LIST = 100
OPENING, CLOSED = "([{", ")]}"
COMMAND = re.compile(r"\\(?:begin|end|langle|rangle|.)", re.DOTALL)
DEPTHS = {"\\begin": 1, "\\end": -1, "\\langle": 1, "\\rangle": -1, "\\{": 1, "\\}": -1}


def encloses(text: str) -> bool:
    """Whether the first bracket closes with the last one."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character in OPENING) - (character in CLOSED)
        if depth == 0:
            return place == len(text) - 1
    return False


def split(text: str, *separators: str) -> list[str]:
    """The parts of `text` between separators that stand in no bracket."""
    if not any(separator in text for separator in separators):
        return [text]
    parts, start, depth, place = [], 0, 0, 0
    while place < len(text):
        if depth == 0 and (found := next((s for s in separators if starts(text, s, place)), None)):
            parts.append(text[start:place])
            start = place = place + len(found)
            continue
        if text[place] == "\\" and (command := COMMAND.match(text, place)):
            depth += DEPTHS.get(command[0], 0)
            place += len(command[0])
            continue
        depth += (text[place] in OPENING) - (text[place] in CLOSED)
        place += 1
    if len(parts) > LONGEST_LIST:
        raise TooLarge(f"more than {LONGEST_LIST} items")
    return [*parts, text[start:]]


def starts(text: str, separator: str, place: int) -> bool:
    end = place + len(separator)
    return text.startswith(separator, place) and not (
        separator[0] == "\\" and text[end : end + 1].isalpha()
    )
