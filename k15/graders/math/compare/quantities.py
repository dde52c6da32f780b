"""Whether two quantities are the same, by the conventions that graders differ in."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from k15.graders.math.algebra.values import Value, number
from k15.graders.math.read.kinds import Group, Quantity

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


def same_quantity(answer: Quantity, gold: Quantity, policy: Policy) -> bool | None:
    if answer.unit and gold.unit:
        value = answer.unit.convert(answer.value, gold.unit)
        if value is None:
            return False
        if value is not answer.value:
            answer = Quantity(value, gold.unit)
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


def total(list_: Group) -> Quantity | None:
    """Of a list as `5 feet 3 inches` the sum in its first unit; None of any other list."""
    items = [item for item in list_.items if isinstance(item, Quantity) and item.unit]
    if list_.kind != "," or not 1 < len(items) == len(list_.items):
        return None
    first, unit, below = items[0].value, items[0].unit, items[0].unit
    for item in items[1:]:
        value = item.unit.convert(item.value, unit)  # type: ignore[union-attr,arg-type]
        if value is None or not item.unit.scale.sample.real < below.scale.sample.real:  # type: ignore[union-attr]
            return None
        first, below = first + value, item.unit
    return Quantity(first, unit)


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
