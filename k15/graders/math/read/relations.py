r"""Inequalities: `x > 2`, `1 \le x < 3`, `|x - 1| < 2`."""

from __future__ import annotations

import re

from k15.graders.math.algebra.values import Value
from k15.graders.math.read.brackets import split
from k15.graders.math.read.expressions import Reader
from k15.graders.math.read.kinds import Chain, Relation, Union
from k15.graders.math.read.tokens import Unreadable

SIGNS = ("<", ">", "\\le", "\\ge", "\\ne")
RELATION = re.compile(r"<|>|\\[lg]e(?![A-Za-z])|\\ne(?![A-Za-z])")
TURNED = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le", "\\ne": "\\ne"}


def related(text: str) -> bool:
    return len(split(text, *SIGNS)) > 1


def read_relation(text: str) -> Relation | Chain | Union:
    sides = [side.strip() for side in split(text, *SIGNS)]
    operators = RELATION.findall(text)
    if len(operators) != len(sides) - 1 or len(sides) > 3:
        raise Unreadable("relations in brackets, or too many of them")
    if len(sides) == 2 and (distance := read_distance(sides[0], operators[0], sides[1])):
        return distance
    values = [Reader(side).read()[0] for side in sides]
    relations = [
        relation(left, operator, right)
        for left, operator, right in zip(values, operators, values[1:], strict=False)
    ]
    return relations[0] if len(relations) == 1 else Chain(tuple(relations))


def relation(left: Value, operator: str, right: Value) -> Relation:
    if operator in (">", "\\ge"):
        left, right, operator = right, left, {">": "<", "\\ge": "\\le"}[operator]
    return Relation(left, {"\\le": "<=", "\\ne": "!="}.get(operator, operator), right)


def read_distance(left: str, operator: str, right: str) -> Chain | Union | None:
    """`|u| < c` as -c < u < c, and `|u| > c` as u < -c or u > c; None for anything else."""
    if not bars(left):
        left, operator, right = right, TURNED[operator], left
    if not bars(left) or operator == "\\ne":
        return None
    inner, bound = Reader(left[1:-1]).read()[0], Reader(right).read()[0]
    if bound.symbols or not inner.symbols or not bound.sample.real > 0:
        return None
    back = TURNED[operator]
    sides = (relation(inner, operator, bound), relation(inner, back, -bound))
    return Chain(sides) if operator in ("<", "\\le") else Union(sides)


def bars(text: str) -> bool:
    return text.startswith("|") and text.endswith("|") and text.count("|") == 2 and len(text) > 2
