"""Whether two answers are the same; None where that takes more than exact arithmetic."""

from __future__ import annotations

import re
from collections.abc import Sequence

from k15.graders.math.algebra.linear import proportional, quotient_of
from k15.graders.math.algebra.values import Value, atom, number
from k15.graders.math.compare.quantities import Policy, same_quantity, total
from k15.graders.math.compare.ranges import every, ranges_of, same_ranges, variables
from k15.graders.math.read.kinds import (
    Answer,
    Chain,
    Difference,
    Equation,
    Family,
    Figure,
    Group,
    Intersection,
    Matrix,
    Numeral,
    Quantity,
    Ratio,
    Relation,
    Union,
    Words,
)
from k15.graders.math.read.words import choices

EMPTY = atom("\\emptyset")
FUNCTION = re.compile(r"[fgh](?:\^-1)?\(x\)")


def same(answer: Answer, gold: Answer, policy: Policy) -> bool | None:
    """Whether `answer` is `gold`; None if undecided. Not symmetric: see `stands_for_right`."""
    if isinstance(answer, Family) or isinstance(gold, Family):
        return same_family(answer, gold, policy)
    if isinstance(answer, Equation) or isinstance(gold, Equation):
        return same_equation(answer, gold, policy)
    if isinstance(answer, Figure) or isinstance(gold, Figure):
        return same_figure(answer, gold)
    if isinstance(answer, Words) and isinstance(gold, Words):
        return same_words(answer.text, gold.text)
    if isinstance(answer, Words) and answer.count and isinstance(gold, Quantity):
        return same_quantity(answer.count, gold, policy)
    if isinstance(answer, Words | Numeral) or isinstance(gold, Words | Numeral):
        return answer == gold
    if isinstance(answer, Quantity) and isinstance(gold, Quantity):
        return same_quantity(answer, gold, policy)
    if isinstance(answer, Matrix) and isinstance(gold, Matrix):
        return same_matrix(answer, gold, policy)
    if isinstance(answer, Matrix) or isinstance(gold, Matrix):
        one, other = vector(answer), vector(gold)
        return in_order(one, other, policy) if one and other else False
    if isinstance(answer, Ratio) or isinstance(gold, Ratio):
        return same_ratio(answer, gold, policy)
    if isinstance(answer, Group) and isinstance(gold, Group):
        return same_group(answer, gold, policy)
    if isinstance(answer, Relation) and isinstance(gold, Relation):
        return same_relation(answer, gold)
    ranges, gold_ranges = ranges_of(answer), ranges_of(gold)
    if ranges and gold_ranges:
        named = {variables(answer), variables(gold)} - {frozenset()}
        return same_ranges(ranges, gold_ranges) if len(named) < 2 else False
    if isinstance(answer, Union) and isinstance(gold, Union):
        return in_any_order(answer.parts, gold.parts, policy) or None
    if isinstance(answer, RANGES) and isinstance(gold, RANGES):
        return None
    return same_single(answer, gold, policy)


RANGES = (
    Relation,
    Chain,
    Union,
    Intersection,
    Difference,
    Group,
)  # what may describe the same set of numbers


def same_family(answer: Answer, gold: Answer, policy: Policy) -> bool | None:
    """With their parameters under one name; where one has no domain, as they are.

    But n = 1 is not n = 1 (mod 4).
    """
    if isinstance(answer, Family) and isinstance(gold, Family):
        if answer.domain != gold.domain:
            return False
        return same(answer.renamed, gold.renamed, policy)
    one, other = (side.member if isinstance(side, Family) else side for side in (answer, gold))
    domains = [side.domain for side in (answer, gold) if isinstance(side, Family)]
    if domains[0].startswith("mod") and isinstance(one, Equation) and isinstance(other, Equation):
        return False
    return same(one, other, policy)


def same_words(answer: str, gold: str) -> bool:
    """Choices in the order of the alphabet have none."""
    unordered = choices(gold) and gold == "".join(sorted(gold))
    return answer == gold or (unordered and sorted(answer) == sorted(gold))


def same_figure(answer: Answer, gold: Answer) -> bool:
    """A segment may go by its letters alone."""
    if isinstance(answer, Figure) and isinstance(gold, Figure):
        return answer == gold
    figure, other = (answer, gold) if isinstance(answer, Figure) else (gold, answer)
    product = figure.product if isinstance(figure, Figure) else None
    if product is None or not isinstance(other, Quantity):
        return False
    return product.equals(other.value) is True


def vector(answer: Answer) -> Group | None:
    """A tuple, or the column that is one."""
    if isinstance(answer, Matrix) and all(len(row) == 1 for row in answer.rows):
        return Group("()", tuple(item for row in answer.rows for item in row))
    return answer if isinstance(answer, Group) and answer.kind == "()" else None


def same_matrix(answer: Matrix, gold: Matrix, policy: Policy) -> bool | None:
    if [len(row) for row in answer.rows] != [len(row) for row in gold.rows]:
        return False
    return every(
        same(a, g, policy)
        for row, gold_row in zip(answer.rows, gold.rows, strict=True)
        for a, g in zip(row, gold_row, strict=True)
    )


def same_single(answer: Answer, gold: Answer, policy: Policy) -> bool | None:
    """A set of one and its element are the same, and `5 feet 3 inches` is one quantity; else kinds
    that differ are different things.
    """
    for one, other in ((answer, gold), (gold, answer)):
        if isinstance(one, Group) and isinstance(other, Quantity) and (sum_ := total(one)):
            return same_quantity(*((sum_, other) if one is answer else (other, sum_)), policy)
        if isinstance(one, Group) and one.kind in ("{}", ",") and len(one.items) == 1:
            if isinstance(item := one.items[0], Quantity) and item.value.top == EMPTY.top:
                return False  # {∅} has an element
            pair = (one.items[0], other) if one is answer else (other, one.items[0])
            return same(*pair, policy)
    return False if type(answer) is not type(gold) else None


def same_ratio(answer: Answer, gold: Answer, policy: Policy) -> bool | None:
    """2:4 is 1:2, and 7:32 is 7/32; but 4:30 and 2:15 are times of the day."""
    if isinstance(answer, Ratio) and isinstance(gold, Ratio) and answer.clock and gold.clock:
        (seconds, half), (gold_seconds, gold_half) = answer.clock, gold.clock
        return seconds == gold_seconds and (half == gold_half or not half or not gold_half)
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
        if "," in (answer.kind, gold.kind) and named(answer, apart=True) != named(gold):
            return in_order(answer, gold, policy)
        if answer.kind == gold.kind == "{}":
            answer, gold = (distinct(group, policy) for group in (answer, gold))
        return in_any_order(answer.items, gold.items, policy)
    if answer.kind == gold.kind or {answer.kind, gold.kind} == {",", "()"}:
        return in_order(answer, gold, policy)
    return False


def distinct(group: Group, policy: Policy) -> Group:
    """The set without what it lists twice."""
    items: list[Answer] = []
    for item in group.items:
        if not any(same(item, other, policy) for other in items):
            items.append(item)
    return Group(group.kind, tuple(items))


def named(group: Group, *, apart: bool = False) -> bool:
    """Whether its items are named, each differently: `x = 1, y = 2`; `apart`: not by an index."""
    names = [item.name for item in group.items if isinstance(item, Equation)]
    names = [stem(name) if apart and name else name for name in names]
    return len(set(names)) == len(group.items) and None not in names


def in_order(answer: Group, gold: Group, policy: Policy) -> bool | None:
    if len(answer.items) != len(gold.items):
        return False
    pairs = zip(answer.items, gold.items, strict=True)
    return every(same_item(a, g, policy) for a, g in pairs)


def same_item(answer: Answer, gold: Answer, policy: Policy) -> bool | None:
    """Of a list: here {1} is not 1."""
    sets = [isinstance(item, Group) and item.kind == "{}" for item in (answer, gold)]
    return same(answer, gold, policy) if sets[0] == sets[1] else False


def in_any_order(answers: Sequence[Answer], golds: Sequence[Answer], policy: Policy) -> bool | None:
    if len(answers) != len(golds):
        return False
    left, undecided = list(answers), False
    for gold in golds:
        verdicts = [same_item(answer, gold, policy) for answer in left]
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
            if same_name(answer.name, gold.name):
                return same(answer.right, gold.right, policy)
            if answer.left is None or gold.left is None:
                return False
        return proportional(difference(answer), difference(gold))
    if isinstance(gold, Equation):
        return same(answer, gold.right, policy) if gold.name else False
    assert isinstance(answer, Equation)
    return same(answer.right, gold, policy) if stands_for_right(answer, policy) else False


def same_name(name: str, gold: str) -> bool:
    """`x_1` is `x` where the other one has no index, and `f(x)` is `y`."""
    if name == gold or stem(name) == gold or stem(gold) == name:
        return True
    return "y" in (name, gold) and bool(FUNCTION.fullmatch(name) or FUNCTION.fullmatch(gold))


def stem(name: str) -> str:
    return re.sub(r"_.+", "", name)


def stands_for_right(answer: Equation, policy: Policy) -> bool:
    """Whether the right side is the answer: of `x = 5`, `a + b = 5` and `2 + 3 = 5`, but neither of
    `2x + y = 5`, which is a line, nor of `2 + 2 = 5`.
    """
    left, right = answer.left, answer.right
    if answer.name or left is None:
        return True
    if not isinstance(right, Quantity):
        return False
    if not left.symbols and not left.opaque:
        return same_quantity(Quantity(left), right, policy) is True
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
