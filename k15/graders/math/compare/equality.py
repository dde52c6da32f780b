"""Whether two answers are the same; None where that takes more than exact arithmetic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from k15.graders.math.algebra.linear import proportional, quotient_of
from k15.graders.math.algebra.values import Value, number
from k15.graders.math.compare.ranges import every, ranges_of, same_ranges, symbols
from k15.graders.math.read.kinds import (
    Answer,
    Chain,
    Equation,
    Group,
    Matrix,
    Numeral,
    Quantity,
    Ratio,
    Relation,
    Union,
    Words,
)

Percent = Literal["either", "number", "value", "strict"]
Rounding = Literal["exact", "repeating", "gold"]
PLACES = 6  # of a decimal that may stand for a repeating one


@dataclass(frozen=True)
class Policy:
    """The conventions that graders differ in.

    percent: what `50%` equals beside `50%`: "number" 50, "value" 1/2, "either" both, "strict"
        neither.
    rounding: when a decimal equals a number that it is not. "exact": never. "repeating": it has at
        least 6 decimals and all of them are those of a fraction, cut off or rounded: 0.333333 is
        1/3, 3.141593 is not π. "gold": also an answer that rounds to the decimals of the gold.
    """

    percent: Percent = "either"
    rounding: Rounding = "repeating"

    def __post_init__(self) -> None:
        for name, kind in (("percent", Percent), ("rounding", Rounding)):
            if (value := getattr(self, name)) not in get_args(kind):
                raise ValueError(f"{name}={value!r}: choose one of {', '.join(get_args(kind))}")


def same(answer: Answer, gold: Answer, policy: Policy) -> bool | None:
    """Whether `answer` is `gold`; None if undecided. Not symmetric: see `unwrapped`."""
    if isinstance(answer, Equation) or isinstance(gold, Equation):
        return same_equation(answer, gold, policy)
    if isinstance(answer, Words | Numeral) or isinstance(gold, Words | Numeral):
        return answer == gold
    if isinstance(answer, Quantity) and isinstance(gold, Quantity):
        return same_quantity(answer, gold, policy)
    if isinstance(answer, Matrix) and isinstance(gold, Matrix):
        if [len(row) for row in answer.rows] != [len(row) for row in gold.rows]:
            return False
        return every(
            same(a, g, policy)
            for row, gold_row in zip(answer.rows, gold.rows, strict=True)
            for a, g in zip(row, gold_row, strict=True)
        )
    if isinstance(answer, Ratio) or isinstance(gold, Ratio):
        return same_ratio(answer, gold, policy)
    if isinstance(answer, Group) and isinstance(gold, Group):
        return same_group(answer, gold, policy)
    if isinstance(answer, Relation) and isinstance(gold, Relation):
        return same_relation(answer, gold)
    if isinstance(answer, Chain) and isinstance(gold, Chain) and symbols(answer) != symbols(gold):
        return False
    ranges, gold_ranges = ranges_of(answer), ranges_of(gold)
    if ranges and gold_ranges:
        return same_ranges(ranges, gold_ranges)
    if isinstance(answer, RELATIONS) and isinstance(gold, RELATIONS):
        return None
    return same_single(answer, gold, policy)


RELATIONS = (Relation, Chain, Union, Group)  # what may describe the same set of numbers


def same_single(answer: Answer, gold: Answer, policy: Policy) -> bool | None:
    """A set of one and its element are the same; else kinds that differ are different things."""
    for one, other in ((answer, gold), (gold, answer)):
        if isinstance(one, Group) and one.kind in ("{}", ",") and len(one.items) == 1:
            pair = (one.items[0], other) if one is answer else (other, one.items[0])
            return same(*pair, policy)
    return False if type(answer) is not type(gold) else None


def same_quantity(answer: Quantity, gold: Quantity, policy: Policy) -> bool | None:
    if answer.unit and gold.unit and answer.unit != gold.unit:
        return False
    if (answer.percent and gold.unit) or (gold.percent and answer.unit):
        return False
    if answer.percent == gold.percent:
        return same_number(answer, gold, policy)
    verdicts = []
    if policy.percent in ("either", "number"):
        verdicts.append(same_number(answer, gold, policy))
    if policy.percent in ("either", "value"):
        verdicts.append(same_number(carried(answer), carried(gold), policy))
    return any(verdicts) or (None if None in verdicts else False)


def carried(quantity: Quantity) -> Quantity:
    """50% as 1/2."""
    if not quantity.percent:
        return quantity
    places = None if quantity.decimals is None else quantity.decimals + 2
    return Quantity(quantity.value / number(100), quantity.unit, decimals=places)


def same_number(answer: Quantity, gold: Quantity, policy: Policy) -> bool | None:
    equal = answer.value.equals(gold.value)
    if equal or policy.rounding == "exact":
        return equal
    for decimal, other in ((answer, gold), (gold, answer)):
        if decimal.decimals is not None and stands_for(decimal, other.value):
            return True
    if policy.rounding == "gold" and gold.decimals is not None and rounds_to(answer.value, gold):
        return True
    return equal


def stands_for(decimal: Quantity, value: Value) -> bool:
    """Whether `decimal` is the rational `value`, cut off or rounded, with many decimals."""
    places, exact = decimal.decimals or 0, value.rational
    if places < PLACES or exact is None or decimal.value.rational is None:
        return False
    scaled = abs(exact) * 10**places
    written = abs(decimal.value.rational) * 10**places
    same_sign = (exact < 0) == (decimal.value.rational < 0)
    return same_sign and written in (int(scaled), int(scaled + Fraction(1, 2)))


def rounds_to(value: Value, decimal: Quantity) -> bool:
    places, target = decimal.decimals or 0, decimal.value.sample
    return abs(value.sample - target) <= 0.5 * 10.0**-places * (1 + 1e-9)


def same_ratio(answer: Answer, gold: Answer, policy: Policy) -> bool | None:
    """2:4 is 1:2, and 7:32 is 7/32; but 4:30 and 2:15 are times of the day."""
    if isinstance(answer, Ratio) and isinstance(gold, Ratio) and answer.clock and gold.clock:
        exact = answer.clock[-1] != " " != gold.clock[-1]  # morning or afternoon
        return answer.clock == gold.clock if exact else answer.clock[:5] == gold.clock[:5]
    parts = [a.parts if isinstance(a, Ratio) else (a,) for a in (answer, gold)]
    if not all(isinstance(part, Quantity) for side in parts for part in side):
        return None
    left, right = ([part.value for part in side] for side in parts)  # type: ignore[union-attr]
    left, right = (side if len(side) > 1 else [*side, number(1)] for side in (left, right))
    if len(left) != len(right):
        return False
    return every((a * right[-1]).equals(b * left[-1]) for a, b in zip(left, right, strict=True))


def same_group(answer: Group, gold: Group, policy: Policy) -> bool | None:
    unordered = {"{}", ","}
    if "," in (answer.kind, gold.kind):  # x > 1 and x < 3
        ranges, gold_ranges = ranges_of(answer), ranges_of(gold)
        if ranges and gold_ranges:
            return same_ranges(ranges, gold_ranges)
    if answer.kind in unordered and gold.kind in unordered:
        if "," in (answer.kind, gold.kind) and named(answer) != named(gold):
            return in_order(answer, gold, policy)
        return in_any_order(answer.items, gold.items, policy)
    if answer.kind == gold.kind or {answer.kind, gold.kind} == {",", "()"}:
        return in_order(answer, gold, policy)
    return False


def named(group: Group) -> bool:
    """Whether its items are named, each differently: `x = 1, y = 2`."""
    names = [item.name for item in group.items if isinstance(item, Equation)]
    return len(set(names)) == len(group.items) and None not in names


def in_order(answer: Group, gold: Group, policy: Policy) -> bool | None:
    if len(answer.items) != len(gold.items):
        return False
    return every(same(a, g, policy) for a, g in zip(answer.items, gold.items, strict=True))


def in_any_order(answers: Sequence[Answer], golds: Sequence[Answer], policy: Policy) -> bool | None:
    if len(answers) != len(golds):
        return False
    left, undecided = list(answers), False
    for gold in golds:
        verdicts = [same(answer, gold, policy) for answer in left]
        if True in verdicts:
            del left[verdicts.index(True)]
        elif None in verdicts:
            undecided = True
        else:
            return False
    return None if undecided else True


def same_equation(answer: Answer, gold: Answer, policy: Policy) -> bool | None:
    """An equation against an equation, or the side that a name stands for against the rest."""
    if isinstance(answer, Equation) and isinstance(gold, Equation):
        if answer.name and gold.name:
            if answer.name == gold.name:
                return same(answer.right, gold.right, policy)
            if answer.left is None or gold.left is None:
                return False
        return proportional(difference(answer), difference(gold))
    if isinstance(gold, Equation):
        return same(answer, gold.right, policy) if gold.name else False
    assert isinstance(answer, Equation)
    return same(answer.right, gold, policy) if stands_for_right(answer) else False


def stands_for_right(answer: Equation) -> bool:
    """Whether the right side is the answer: of `x = 5`, `a + b = 5` and `2 + 3 = 5`, but neither of
    `2x + y = 5`, which is a line, nor of `2 + 2 = 5`.
    """
    left, right = answer.left, answer.right
    if answer.name or left is None:
        return True
    if not isinstance(right, Quantity):
        return False
    if not left.symbols and not left.opaque:
        return left.equals(right.value) is True
    return (
        right.value.rational != 0 and all(c == 1 for c in left.top.values()) and () not in left.top
    )


def difference(equation: Equation) -> Value | None:
    if equation.left is None or not isinstance(equation.right, Quantity):
        return None
    return equation.left - equation.right.value


def same_relation(answer: Relation, gold: Relation) -> bool | None:
    if answer.operator != gold.operator:
        return False
    one, other = answer.left - answer.right, gold.left - gold.right
    factor = quotient_of(one, other)
    if factor is None:
        return None
    return factor != 0 if answer.operator == "!=" else factor > 0
