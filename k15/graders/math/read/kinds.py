"""The kinds of answers there are; `math_answers` reads them, `math_equality` compares them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass

from k15.graders.math.algebra.values import Value


@dataclass(frozen=True)
class Quantity:
    """A value, its unit ("" for none), whether it is in percent, and its decimals if it is one."""

    value: Value
    unit: str = ""
    percent: bool = False
    decimals: int | None = None


@dataclass(frozen=True)
class Group:
    """`kind`: its brackets, such as `()`, `[)`, `{}`, or `,` for a list without any."""

    kind: str
    items: tuple[Answer, ...]


@dataclass(frozen=True)
class Matrix:
    rows: tuple[tuple[Answer, ...], ...]


@dataclass(frozen=True)
class Union:
    parts: tuple[Answer, ...]


@dataclass(frozen=True)
class Ratio:
    """`clock`: how it is written if it may be a time of day, such as 12:00."""

    parts: tuple[Answer, ...]
    clock: str = ""


@dataclass(frozen=True)
class Relation:
    """`left operator right`, the operator one of `<`, `<=`, `!=`."""

    left: Value
    operator: str
    right: Value


@dataclass(frozen=True)
class Chain:
    """`1 \\le x < 3`: both hold."""

    relations: tuple[Relation, ...]


@dataclass(frozen=True)
class Equation:
    """`name` is the left side if it is one that stands for the right one: `x`, `f(x)`, `AB`."""

    name: str | None
    left: Value | None
    right: Answer


@dataclass(frozen=True)
class Words:
    """Text, compared without case."""

    text: str


@dataclass(frozen=True)
class Numeral:
    """A number written in a base that is not ten; equal to no number written otherwise."""

    digits: str
    base: int


Answer = Quantity | Group | Matrix | Union | Ratio | Relation | Chain | Equation | Words | Numeral


def huge(answer: Answer) -> bool:
    """Whether it holds a power or a factorial that nobody should write out."""
    return any(value.huge for value in values_of(answer))


def values_of(node: object) -> Iterator[Value]:
    if isinstance(node, Value):
        yield node
    elif isinstance(node, tuple):
        for item in node:
            yield from values_of(item)
    elif is_dataclass(node):
        for part in fields(node):
            yield from values_of(getattr(node, part.name))
