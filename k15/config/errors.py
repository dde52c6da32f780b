"""How the config system speaks to its users: what is wrong, and the nearest name that is right."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable


class ConfigError(ValueError):
    """What the user has to change, one fault per line."""


def nearest(name: str, candidates: Iterable[str]) -> str:
    """The candidate most like `name`, empty if none is; dotted names also match by their last part.

    Example: `nearest("max_epoch", ["seed", "trainer.max_epochs"]) == "trainer.max_epochs"`
    """

    def likeness(candidate: str) -> float:
        whole = difflib.SequenceMatcher(None, name, candidate).ratio()
        parts = name.rpartition(".")[2], candidate.rpartition(".")[2]
        return max(whole, 0.95 * difflib.SequenceMatcher(None, *parts).ratio())

    best = max(candidates, key=likeness, default="")
    return best if best and likeness(best) >= 0.6 else ""


def did_you_mean(name: str, candidates: Iterable[str], prefix: str = "") -> str:
    """ "; did you mean x?" for the end of a message; empty if no candidate is like `name`."""
    found = nearest(name, candidates)
    return f"; did you mean {prefix}{found}?" if found else ""


def one_line(error: Exception) -> str:
    """The message of somebody else's error as the end of a line of ours."""
    return " ".join(str(error).split())


def raised_by(error: Exception) -> str:
    """The name of the module in which it was raised."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__", ""))
