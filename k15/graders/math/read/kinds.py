"""The kinds of answers there are; `read.answers` makes them, `compare` compares them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass

from k15.graders.math.algebra.values import Value, atom
from k15.graders.math.read.units import Unit


@dataclass(frozen=True)
class Quantity:
    """A value, its unit if one is stated, whether it is in percent, its decimals if it is one."""

    value: Value
    unit: Unit | None = None
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
class Intersection:
    parts: tuple[Answer, ...]


@dataclass(frozen=True)
class Ratio:
    """`clock`: if it may be a time of day, seconds since noon or midnight, and "a", "p" or ""."""

    parts: tuple[Answer, ...]
    clock: tuple[int, str] | None = None


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
    """Text, as it is compared: without case. `count`: what `two lines` may stand for."""

    text: str
    count: Quantity | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Figure:
    r"""`\triangle ABC`: what it is, and its corners in the order that stands for all its names."""

    kind: str
    corners: tuple[str, ...]

    @property
    def product(self) -> Value | None:
        """What its two letters alone are read as, for they may mean the segment."""
        if self.kind != "segment" or len(self.corners) != 2:
            return None
        return atom(self.corners[0]) * atom(self.corners[1])


@dataclass(frozen=True)
class Difference:
    r"""`\mathbb{R} \setminus \{1\}`."""

    whole: Answer
    removed: Answer


@dataclass(frozen=True)
class Family:
    r"""`2k\pi, k \in \mathbb{Z}`: as it is, with the parameter called n, and its domain."""

    member: Answer
    renamed: Answer
    domain: str


@dataclass(frozen=True)
class Numeral:
    """A number written in a base that is not ten; equal to no number written otherwise."""

    digits: str
    base: int


Answer = (
    Quantity
    | Group
    | Matrix
    | Union
    | Intersection
    | Difference
    | Ratio
    | Relation
    | Chain
    | Equation
    | Words
    | Figure
    | Family
    | Numeral
)


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
