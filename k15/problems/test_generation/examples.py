"""Calls of a function that stand in a text, such as a docstring or asserts that a model wrote."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

LONGEST = 2000  # characters of a call
MOST = 2000  # calls that are read


def arguments_in(text: str, function: str) -> list[list[Any]]:
    """The arguments of each call with plain values that JSON has, the most frequent first.

    Example: `arguments_in("assert add(2, 3) == 5", "add")` is `[[2, 3]]`.
    """
    counts = Counter[str]()
    for call in calls(text, function):
        try:
            counts[json.dumps([ast.literal_eval(value) for value in call.args])] += 1
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            continue  # a variable, a set, or an operation
    return [json.loads(found) for found, _ in counts.most_common()]


def calls(text: str, function: str) -> Iterator[ast.Call]:
    """The calls of a function in any text, as expressions, without keywords."""
    starts = re.finditer(rf"(?<![\w.]){re.escape(function)}\(", text)
    for _, start in zip(range(MOST), starts, strict=False):
        found = call_at(text[start.start() : start.start() + LONGEST])
        if found is not None and not found.keywords:
            yield found


def call_at(text: str) -> ast.Call | None:
    """The call that a text begins with: the shortest beginning that is one."""
    for end in re.finditer(r"\)", text):
        try:
            found = ast.parse(text[: end.end()], mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
        return found if isinstance(found, ast.Call) else None
    return None
