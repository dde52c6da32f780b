r"""Units: which words are one, and what it is worth in the base units of its dimension.

    unit ::= power (("/" | "per" | "a" | "每" | " " | \cdot) power)*     miles per hour, m s^{-2}
    power ::= ["square" | "cubic" | 平方] name [("^" exponent) | "squared"]

The names are those of pint (https://pint.readthedocs.io), with `units.txt` on top of its table; the
grammar is ours, so that no expression of a response is worked out. What pint does not know may be
a counted thing: see `nouns`.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from k15.graders.math.algebra.values import PI, Value, atom, number
from k15.graders.math.read.nouns import CLOSED, counted

TABLE = Path(__file__).with_name("units.txt")
LONGEST = 60  # characters
MOST_FACTORS = 5
LOOKUP = threading.Lock()  # pint adds prefixed units to its table when they are asked for

SYMBOLS = {"$": "dollar", "£": "sterling", "€": "euro", "¥": "yuan", "¢": "cent", "₹": "rupee",
           "₩": "won"}  # fmt: skip
LETTERS = frozenset("mgshlLtNJWVAKd")  # the others are constants or too rare to be meant
GENERIC = re.compile(r"(?:(?:sq(?:uare|\.)?|cubic|cu) )?units?(?:\^[23]| (?:squared|cubed))?")
BEHIND = re.compile(
    r" (?:old|long|wide|tall|high|deep|thick|apart|away|each|left|remaining|altogether"
    r"|(?:in )?total|of [A-Za-z ]+)$"
)
DIVIDED = re.compile(r"\s*/\s*| (?:per|an?|every|each) |每")
POWER = re.compile(
    r"(?P<square>sq(?:uare)?\.? |平方)?(?P<cube>cu(?:bic)?\.? |立方)?"
    r"(?P<name>[^\W\d_]+(?: [^\W\d_]+)*?)"
    r"(?:\^?(?P<exponent>-?[1-9])| (?P<squared>squared)| (?P<cubed>cubed))?"
)


@dataclass(frozen=True, eq=False)
class Unit:
    """`value` of this unit is `value * scale + offset` of the base units of its dimension."""

    name: str
    dimension: tuple[tuple[str, Fraction], ...]
    scale: Value
    offset: Fraction = Fraction(0)
    counts: bool = False
    """Whether it is a counted thing: its name says all there is to know."""

    def convert(self, value: Value, other: Unit) -> Value | None:
        """A value of this unit in the other one; None if they do not measure the same."""
        if self.dimension == other.dimension:
            if self.scale.equals(other.scale) and self.offset == other.offset:
                return value
            return (value * self.scale + number(self.offset - other.offset)) / other.scale
        if {self.name, other.name} == {"pound", "sterling"}:  # of weight or money
            return value
        ours, theirs = (f" {name} " for name in (self.name, other.name))
        same = self.counts and other.counts and (ours in theirs or theirs in ours)
        return value if same else None


NONE = Unit("", (), number(1))
"""The unit of `12 square units`: it says nothing."""


def unit_of(words: str, single: bool = False) -> Unit | None:
    """The unit that `words` are, with any spaces and LaTeX; None if they are something else.

    `single`: whether a counted thing may be in the singular.
    """
    if not words.strip():
        return NONE
    return None if len(words) > LONGEST else spelled_unit(tidy(words), single)


def tidy(words: str) -> str:
    r"""`km\cdot h^{-1}` as `km h^-1`."""
    words = re.sub(r"\\cdot|[*·⋅~]", " ", words)
    words = re.sub(r"(?<=[A-Za-z])\.", " ", re.sub(r"[{}\\]", "", words))
    words = re.sub(r"\s*\^\s*", "^", words.strip().rstrip(" .,;:"))
    return re.sub(r"\s+", " ", words)


@lru_cache(maxsize=2**12)
def spelled_unit(words: str, single: bool) -> Unit | None:
    if GENERIC.fullmatch(words.lower()):
        return NONE
    bare = BEHIND.sub("", words)
    for phrase in dict.fromkeys((words, bare)):
        if measured := compound(phrase):
            return measured
    return things(bare, single) or things(words, single)


def things(phrase: str, single: bool) -> Unit | None:
    """Counted things, also per something: `18 eggs per day`."""
    first, *others = DIVIDED.split(phrase.removeprefix("of the "))
    if (name := counted(first, single)) is None:
        return None
    below = [compound(other) or thing(counted(other, True)) for other in others]
    if None in below or len(below) > MOST_FACTORS:
        return None
    return product([(thing(name), 1), *((unit, -1) for unit in below)]) if below else thing(name)


def thing(name: str | None) -> Unit | None:
    return Unit(name, ((name, Fraction(1)),), number(1), counts=True) if name else None


def compound(phrase: str) -> Unit | None:
    """A unit of pint's, or a product or quotient of some."""
    if unit := power(phrase):
        return unit
    above, *below = DIVIDED.split(phrase)
    factors = [(power(part), 1) for part in factored(above)]
    factors += [(power(part), -1) for other in below for part in factored(other)]
    return product(factors) if 1 < len(factors) <= MOST_FACTORS else None


def factored(phrase: str) -> list[str]:
    """`m s^-2` in two, which only symbols may be; a name of several words is one."""
    parts = phrase.split(" ")
    symbols = all(re.match(r"\w{1,3}(?!\w)", part) for part in parts)
    return [phrase] if power(phrase) or not symbols else parts


def product(factors: list[tuple[Unit | None, int]]) -> Unit | None:
    dimension: dict[str, Fraction] = {}
    scale, names = number(1), []
    for unit, exponent in factors:
        if unit is None or (unit.offset and len(factors) > 1):
            return None
        names.append(unit.name if exponent > 0 else f"/ {unit.name}")
        scale = scale * unit.scale if exponent > 0 else scale / unit.scale
        for base, times in unit.dimension:
            dimension[base] = dimension.get(base, Fraction(0)) + exponent * times
    left = tuple(sorted((base, times) for base, times in dimension.items() if times))
    return Unit(" ".join(names), left, scale)


def power(phrase: str) -> Unit | None:
    """`cm`, `square feet`, `s^-2`."""
    if phrase in SYMBOLS:
        return named(SYMBOLS[phrase])
    if not (match := POWER.fullmatch(phrase)) or (unit := named(match["name"])) is None:
        return None
    exponent = int(match["exponent"] or 1)
    exponent *= 2 if match["square"] or match["squared"] else 1
    exponent *= 3 if match["cube"] or match["cubed"] else 1
    sign = 1 if exponent > 0 else -1
    return unit if exponent == 1 else product([(unit, sign)] * abs(exponent))


def named(name: str) -> Unit | None:
    """A unit by its name or symbol; only one of a single letter minds capitals."""
    if (len(name) == 1 and name.isascii() and name not in LETTERS) or name in CLOSED - {"in"}:
        return None
    name = name.replace(" ", "_")
    return looked_up(name) or (looked_up(name.lower()) if len(name) > 1 else None)


@lru_cache(maxsize=2**12)
def looked_up(name: str) -> Unit | None:
    with LOOKUP:
        for prefix, unit, _ in registry().parse_unit_name(name):
            symbol = not name.startswith(prefix)
            if not (symbol and len(name) > 3 and name.endswith("s")):  # `cats`: centi-atmospheres
                return measured(prefix, unit)
    return None


def measured(prefix: str, name: str) -> Unit | None:
    try:
        one, zero = (
            registry().Quantity(Fraction(value), prefix + name).to_root_units() for value in (1, 0)
        )
    except TypeError:  # a logarithmic unit such as decibel: there are no exact logarithms
        return None
    if not (dimension := tuple(sorted(one.unit_items()))):
        return None  # percent, parts per million: numbers
    if name == "degree":
        return Unit(name, dimension, atom(PI) / number(180))
    scale = number(one.magnitude - zero.magnitude)
    return Unit(prefix + name, dimension, scale, zero.magnitude)


@cache
def registry() -> Any:
    """pint's table and ours. It takes half a second, so nobody pays who sees no unit."""
    import pint

    units: Any = pint.UnitRegistry(non_int_type=Fraction)
    units.load_definitions(TABLE)
    return units
