"""What a driver in the sandbox says: a line of JSON where each of its runs begins, and ends."""

from __future__ import annotations

import json
from typing import Any

from k15.graders.base import GraderFailure
from k15.sandbox.protocol import Outcome


def sound(outcome: Outcome) -> Outcome:
    """The outcome; raises GraderFailure if the sandbox broke."""
    if outcome.cause == "infrastructure":
        raise GraderFailure(f"the sandbox broke: {outcome.detail}")
    return outcome


def lines(outcome: Outcome) -> list[list[Any]]:
    """The lines, each a list that begins with the number of the run.

    One that the end of the process cut off is left out.
    """
    found = []
    for text in outcome.stdout.decode(errors="replace").split("\n"):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, list) and line and isinstance(line[0], int):
            found.append(line)
    return found
