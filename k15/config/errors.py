"""How the config system speaks to its users: what is wrong, and the nearest name that is right."""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable

OURS = ("k15.", "lightning.")
MISCONFIGURATION = "MisconfigurationException"  # Lightning's; importing it takes seconds


class ConfigError(ValueError):
    """What the user has to change, one fault per line."""


def did_you_mean(name: str, candidates: Iterable[str], prefix: str = "", suffix: str = "") -> str:
    """ "; did you mean x?" for the end of a message; empty if no candidate is like `name`.

    Dotted names also match by their last part: `max_epoch` means `trainer.max_epochs`.
    """

    def likeness(candidate: str) -> float:
        whole = difflib.SequenceMatcher(None, name, candidate).ratio()
        last = name.rpartition(".")[2], candidate.rpartition(".")[2]
        return max(whole, 0.95 * difflib.SequenceMatcher(None, *last).ratio())

    best = max(candidates, key=likeness, default="")
    return f"; did you mean {prefix}{best}{suffix}?" if best and likeness(best) >= 0.6 else ""


def one_line(error: Exception) -> str:
    """The message of somebody else's error as the end of a line of ours."""
    return " ".join(str(error).split())


def is_users(error: Exception) -> bool:
    """Whether the user can mend it: a ConfigError, and what k15 or Lightning say of a value."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    raised_by = str(frame.f_globals.get("__name__", ""))
    of_a_value = isinstance(error, ValueError) or type(error).__name__ == MISCONFIGURATION
    return isinstance(error, ConfigError) or (of_a_value and raised_by.startswith(OURS))
