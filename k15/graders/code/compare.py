"""Whether what a program produced is what a test expects. Runs outside the sandbox."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

Comparison = Literal["exact", "tokens", "float"]
COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)

INTEGER = re.compile(rb"[+-]?\d+")
NUMBER = re.compile(rb"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")


def same_output(
    output: bytes, expected: bytes, comparison: Comparison = "tokens", tolerance: float = 1e-6
) -> bool:
    """Whether `output` is `expected`.

    - exact: the same bytes, a newline at the end aside.
    - tokens: the same words, however much white space lies between them.
    - float: as tokens, but a number may differ by `tolerance`, absolute or relative to the
      expected one, unless both are written as integers.
    """
    if comparison == "exact":
        return output.removesuffix(b"\n") == expected.removesuffix(b"\n")
    words, wanted = output.split(), expected.split()
    if words == wanted or comparison == "tokens":
        return words == wanted
    return len(words) == len(wanted) and all(
        _close(word, want, tolerance) for word, want in zip(words, wanted, strict=True)
    )


def plain_value(encoded: Any) -> Any:
    """The JSON value that `asserts.values.encode` wrote: a tuple is a list, keys are strings.

    Raises ValueError for what JSON does not have, such as a set.
    """
    if isinstance(encoded, list):
        return [plain_value(item) for item in encoded]
    if not isinstance(encoded, Mapping):
        return encoded
    [(kind, content)] = encoded.items()
    if kind == "tuple":
        return plain_value(content)
    if kind == "dict":
        return {str(plain_value(key)): plain_value(value) for key, value in content}
    if kind == "int":
        return int(content, 16)
    if kind == "named":
        return plain_value(content[2])
    if kind == "new" and content[0] in ("Counter", "OrderedDict"):
        return plain_value(content[1][0])
    raise ValueError(f"a {kind} is no JSON value")


def same_value(value: Any, expected: Any, tolerance: float = 0.0) -> bool:
    """Whether the JSON value `value` is `expected`, as Python's `==` has it: 1 is true, 1.0 is 1.

    Numbers may differ by `tolerance`, absolute or relative to the expected one, unless both are
    integers.
    """
    if isinstance(expected, list | tuple):
        return (
            isinstance(value, list)
            and len(value) == len(expected)
            and all(same_value(v, e, tolerance) for v, e in zip(value, expected, strict=True))
        )
    if isinstance(expected, Mapping):
        wanted = {str(key): item for key, item in expected.items()}
        return (
            isinstance(value, dict)
            and value.keys() == wanted.keys()
            and all(same_value(value[key], wanted[key], tolerance) for key in wanted)
        )
    if value == expected:
        return True
    numbers = [isinstance(number, int | float) for number in (value, expected)]
    return all(numbers) and _within(value, expected, tolerance)


def _within(value: float, want: float, tolerance: float) -> bool:
    """Whether a number is close to another, which is not the same; two integers never are."""
    if isinstance(value, int) and isinstance(want, int):
        return False
    # beyond the greatest float every number would be close
    return math.isfinite(want) and abs(value - want) <= tolerance * max(1.0, abs(want))


def _close(word: bytes, wanted: bytes, tolerance: float) -> bool:
    if word == wanted:
        return True
    if INTEGER.fullmatch(word) and INTEGER.fullmatch(wanted):
        return False
    if not (NUMBER.fullmatch(word) and NUMBER.fullmatch(wanted)):
        return False
    return _within(float(word), float(wanted), tolerance)
