"""Intervals, inequalities and unions of them as one thing: ranges on the line of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from k15.graders.math.algebra.linear import leading_coefficient
from k15.graders.math.algebra.values import ONE, Value, atom
from k15.graders.math.read.kinds import Answer, Chain, Group, Quantity, Relation, Union

INFINITY = atom("\\infty")


REALS = atom("\\R")


@dataclass(frozen=True)
class Range:
    """From `low` to `high`."""

    low: Value
    low_open: bool
    high: Value
    high_open: bool


def symbols(chain: Chain) -> frozenset[str]:
    return frozenset().union(*((r.left - r.right).symbols for r in chain.relations))


def every(verdicts) -> bool | None:
    """False if one is False, else None if one is None."""
    undecided = False
    for verdict in verdicts:
        if verdict is False:
            return False
        undecided |= verdict is None
    return None if undecided else True


def ranges_of(answer: Answer) -> list[Range] | None:
    """The intervals of an interval, a union, an inequality in one symbol, or a list of those."""
    if isinstance(answer, Group) and answer.kind in ("()", "[]", "(]", "[)"):
        if len(answer.items) == 2 and all(isinstance(item, Quantity) for item in answer.items):
            low, high = (item.value for item in answer.items)  # type: ignore[union-attr]
            return [Range(low, answer.kind[0] == "(", high, answer.kind[1] == ")")]
        return None
    if isinstance(answer, Union) or (isinstance(answer, Group) and answer.kind == ","):
        parts = [
            ranges_of(part)
            for part in (answer.parts if isinstance(answer, Union) else answer.items)
            if isinstance(answer, Union) or isinstance(part, Relation | Chain)
        ]
        if len(parts) != len(answer.parts if isinstance(answer, Union) else answer.items):
            return None
        if not all(parts):
            return None
        found = [r for part in parts for r in part or []]
        return intersection(found) if isinstance(answer, Group) else found
    if isinstance(answer, Relation):
        return half_line(answer)
    if isinstance(answer, Chain):
        return between(answer)
    if isinstance(answer, Quantity) and answer.value.top == REALS.top:
        return [Range(-INFINITY, True, INFINITY, True)]
    return None


def intersection(ranges: list[Range]) -> list[Range]:
    """What two half-lines that face each other have in common, as in `x > 1, x < 3`; else all."""
    if len(ranges) == 2:
        above, below = sorted(ranges, key=position, reverse=True)
        infinite = below.low.top == (-INFINITY).top and above.high.top == INFINITY.top
        if infinite and position(above) < below.high.sample.real:
            return [Range(above.low, above.low_open, below.high, below.high_open)]
    return ranges


def half_line(relation: Relation) -> list[Range] | None:
    """x > 2 as (2, ∞): of a relation that is linear in its one symbol."""
    difference = relation.left - relation.right
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


def between(chain: Chain) -> list[Range] | None:
    if len(chain.relations) != 2 or any(r.operator == "!=" for r in chain.relations):
        return None
    lines = [half_line(r) for r in chain.relations]
    if not lines[0] or not lines[1]:
        return None
    found = intersection([lines[0][0], lines[1][0]])
    return found if len(found) == 1 else None


def same_ranges(ranges: list[Range], golds: list[Range]) -> bool | None:
    ranges, golds = (sorted(r, key=position) for r in (ranges, golds))
    if len(ranges) != len(golds):
        return False if apart(ranges) and apart(golds) else None
    return every(
        (a.low_open, a.high_open) == (g.low_open, g.high_open)
        and every((a.low.equals(g.low), a.high.equals(g.high)))
        for a, g in zip(ranges, golds, strict=True)
    )


def apart(ranges: list[Range]) -> bool:
    """Whether there is room or a hole between neighbours, so that none could be joined."""
    return all(
        left.high.sample.real < right.low.sample.real - 1e-9
        or (left.high_open and right.low_open and left.high.equals(right.low) is True)
        for left, right in pairwise(ranges)
    )


def position(part: Range) -> float:
    return -1e300 if part.low.top == (-INFINITY).top else part.low.sample.real
