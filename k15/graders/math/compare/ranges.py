"""Intervals, inequalities and unions of them as one thing: ranges on the line of numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

from k15.graders.math.algebra.linear import leading_coefficient
from k15.graders.math.algebra.values import ONE, Value, atom
from k15.graders.math.read.kinds import (
    Answer,
    Chain,
    Difference,
    Equation,
    Group,
    Intersection,
    Quantity,
    Relation,
    Union,
)

INFINITY = atom("\\infty")
REALS = atom("\\R")


@dataclass(frozen=True)
class Range:
    """From `low` to `high`."""

    low: Value
    low_open: bool
    high: Value
    high_open: bool


Ranges = list[Range]
EVERYWHERE = Range(-INFINITY, True, INFINITY, True)


def every(verdicts: Iterable[bool | None]) -> bool | None:
    """False if one is False, else None if one is None."""
    undecided = False
    for verdict in verdicts:
        if verdict is False:
            return False
        undecided |= verdict is None
    return None if undecided else True


def variables(answer: Answer) -> frozenset[str]:
    """The symbols of inequalities; intervals have none."""
    if isinstance(answer, Relation):
        return (answer.left - answer.right).symbols - INFINITY.symbols
    parts: tuple[Answer, ...] = ()
    if isinstance(answer, Chain):
        parts = answer.relations
    elif isinstance(answer, Union | Intersection):
        parts = answer.parts
    elif isinstance(answer, Group):
        parts = answer.items
    return frozenset().union(*map(variables, parts))


def ranges_of(answer: Answer) -> Ranges | None:
    """The intervals of an interval, a union, an inequality in one symbol, or a list of those."""
    if isinstance(answer, Union):
        parts = [points_of(part) or ranges_of(part) for part in answer.parts]
        return None if None in parts else [r for part in parts for r in part or ()]
    if isinstance(answer, Intersection):
        sides = [side for part in answer.parts if (side := points_of(part) or ranges_of(part))]
        return reduce(both, sides) if len(sides) == len(answer.parts) else None
    if isinstance(answer, Difference):
        whole = ranges_of(answer.whole)
        removed = points_of(answer.removed) or ranges_of(answer.removed)
        return whole and removed and reduce(both, map(around, removed), whole)
    if isinstance(answer, Group) and answer.kind == ",":
        return ranges_of_list(answer)
    if isinstance(answer, Group) and answer.kind in ("()", "[]", "(]", "[)", "]["):
        if len(answer.items) == 2 and all(isinstance(item, Quantity) for item in answer.items):
            low, high = (item.value for item in answer.items)  # type: ignore[union-attr]
            return [Range(low, answer.kind[0] != "[", high, answer.kind[1] != "]")]
        return None
    if isinstance(answer, Relation):
        return half_lines(answer)
    if isinstance(answer, Chain):
        return between(answer)
    if isinstance(answer, Quantity) and answer.value.top == REALS.top:
        return [EVERYWHERE]
    return None


def ranges_of_list(answer: Group) -> Ranges | None:
    """Of inequalities that hold together, as `x > 1, x < 3`; of such that cannot, all."""
    lines = [
        [EVERYWHERE] if real(item) else ranges_of(item)
        for item in answer.items
        if isinstance(item, Relation | Chain) or real(item)
    ]
    if len(lines) < len(answer.items) or not all(lines):
        return None
    found = [line for line in lines if line]
    return together(found) or [part for line in found for part in line]


def real(item: Answer) -> bool:
    """Whether it is `x \\in \\R`."""
    right = item.right if isinstance(item, Equation) else None
    return isinstance(right, Quantity) and right.value.top == REALS.top


def points_of(answer: Answer) -> Ranges | None:
    """A set of numbers as ranges without length."""
    if not isinstance(answer, Group) or answer.kind != "{}":
        return None
    values = [item.value for item in answer.items if isinstance(item, Quantity)]
    full = len(values) == len(answer.items)
    return [Range(value, False, value, False) for value in values] if full else None


def around(gap: Range) -> Ranges:
    below = Range(-INFINITY, True, gap.low, not gap.low_open)
    return [below, Range(gap.high, not gap.high_open, INFINITY, True)]


def half_lines(relation: Relation) -> Ranges | None:
    """x > 2 as (2, ∞): of a relation that is linear in its one symbol."""
    difference = relation.left - relation.right
    if INFINITY.symbols & difference.symbols:
        return [EVERYWHERE] if relation.operator != "!=" else None
    if len(difference.symbols) != 1 or difference.bottom != ONE or difference.opaque:
        return None
    [name] = difference.symbols
    leading = leading_coefficient(difference)
    if leading is None or leading[0] != ((name, 1),):
        return None
    slope = leading[1]
    constant = difference - slope * atom(name)
    if name in constant.symbols or slope.sample.imag:
        return None
    bound, is_open = -constant / slope, relation.operator != "<="
    below = Range(-INFINITY, True, bound, is_open)
    above = Range(bound, is_open, INFINITY, True)
    if relation.operator == "!=":
        return [below, above]
    return [below] if slope.sample.real > 0 else [above]


def between(chain: Chain) -> Ranges | None:
    if any(r.operator == "!=" for r in chain.relations):
        return None
    lines = [half_lines(r) for r in chain.relations]
    found = together([line for line in lines if line]) if all(lines) else None
    return found if found and len(found) == 1 else None


def together(lines: list[Ranges]) -> Ranges | None:
    """What lies in all of them; of bounds that are symbols only a lower and an upper one."""
    parts = [part for line in lines for part in line]
    if not any(map(unknown, parts)):
        return reduce(both, lines)
    below, *rest = sorted(parts, key=lambda part: edge(part.low))
    if len(rest) != 1 or edge(below.low) != -math.inf or edge(rest[0].high) != math.inf:
        return None
    return [Range(rest[0].low, rest[0].low_open, below.high, below.high_open)]


def both(ones: Ranges, others: Ranges) -> Ranges:
    """What lies in one of the first and in one of the second."""
    met = (meet(one, other) for one in ones for other in others)
    return [part for part in met if part is not None]


def meet(one: Range, other: Range) -> Range | None:
    low = max(one, other, key=lambda r: (edge(r.low), r.low_open))
    high = min(one, other, key=lambda r: (edge(r.high), not r.high_open))
    length = edge(high.high) - edge(low.low)
    empty = length < 0 or (length == 0 and (low.low_open or high.high_open))
    return None if empty else Range(low.low, low.low_open, high.high, high.high_open)


def joined(ranges: Ranges) -> Ranges:
    """Ranges that touch or overlap as one, in order."""
    if any(map(unknown, ranges)):
        return sorted(ranges, key=lambda r: edge(r.low))
    found: Ranges = []
    for part in sorted(ranges, key=lambda r: (edge(r.low), r.low_open)):
        last = found[-1] if found else None
        gap = edge(part.low) - edge(last.high) if last else 1.0
        if last is None or gap > 0 or (gap == 0 and part.low_open and last.high_open):
            found.append(part)
        elif (edge(part.high), not part.high_open) > (edge(last.high), not last.high_open):
            found[-1] = Range(last.low, last.low_open, part.high, part.high_open)
    return found


def edge(value: Value) -> float | Fraction:
    if value.top == INFINITY.top:
        return math.inf
    if value.top == (-INFINITY).top:
        return -math.inf
    return value.sample.real if value.rational is None else Fraction(value.rational)


def same_ranges(ranges: Ranges, golds: Ranges) -> bool | None:
    ranges, golds = joined(ranges), joined(golds)
    if len(ranges) != len(golds):
        return None if any(map(unknown, (*ranges, *golds))) else False
    return every(
        (a.low_open, a.high_open) == (g.low_open, g.high_open)
        and every((a.low.equals(g.low), a.high.equals(g.high)))
        for a, g in zip(ranges, golds, strict=True)
    )


def unknown(part: Range) -> bool:
    """Whether it ends at symbols or at what is too large, of which nobody knows where they lie."""
    symbols = (part.low.symbols | part.high.symbols) - INFINITY.symbols
    edges = (edge(part.low), edge(part.high))
    return bool(symbols) or any(end != end for end in edges)  # NaN
