r"""Reads a quantity: sign, money, number in any usual writing, what multiplies it, percent, unit.

    quantity ::= [-] [money] expression [multiplier] ["%" | unit]      -\$1.5 million, 33\frac13 %
               | spelled [unit]                                        twenty-one dollars, 三小时

A number with words behind it that are none of these, such as `5 or more`, is a text like any other.
"""

from __future__ import annotations

import re
from fractions import Fraction

from k15.graders.math.algebra.values import DEGREE, ONE, atom, number
from k15.graders.math.read.expressions import Reader
from k15.graders.math.read.kinds import Group, Quantity, Words
from k15.graders.math.read.nouns import MEASURES
from k15.graders.math.read.spelled import CHINESE, CHINESE_SCALES, SPELLED, multiplied, spelled
from k15.graders.math.read.tokens import BARE_UNITS, CURRENCY, HAN, TEXT
from k15.graders.math.read.units import NONE, Unit, unit_of

MONEY = re.compile(
    rf"([-+]?) ?(?:(?:US|CA|AU|HK|A|C)?({CURRENCY})|(USD|EUR|GBP|CNY|RMB|US\$)) ?(?=[-\d.\\])"
)
APPROXIMATE = re.compile(
    rf"(?i)(?:\\approx|(?:{TEXT}\{{ ?)?(?:approximately|approx|about)\.?(?: ?\}})?|大?约) ?"
    r"(?=[-\d\\$.])"
)
REMARK = re.compile(r"(?i) ?\((?:approximately|approx\.?|in total|total)\)$")
DECIMAL = re.compile(r"-?\d*\.(\d+)")
BARE = "|".join(sorted(BARE_UNITS, key=len, reverse=True))
BRACKETED = re.compile(  # 18 (cm), 18\text{ (cm)}
    rf"(.*[\d)}}]) ?(?:\( ?(?:{TEXT}\{{([^{{}}]+)\}}|({HAN}+|[A-Za-z]{{4,}}|{BARE})) ?\)"
    rf"|{TEXT}\{{ ?\(([^{{}}()]+)\) ?\}})"
)
MEASURE = re.compile(r"(\d+(?:\.\d+)?) ?([^\W\d_]+) ?")
NEXT_MEASURE = re.compile(r"(?<=[^\W\d_])\.? *(?=\d)")
WRAPPED = re.compile(TEXT + r"\{([^{}]*)\}")


def quantity(text: str) -> Quantity | Words:
    r"""`5`, `\$5`, `5\text{ cm}`, `50%`, `90^\circ`, `1.2e3 km`, `3 dozen eggs`.

    Raises Unreadable, TooLarge or ZeroDivisionError where the expression does.
    """
    if wrapped := WRAPPED.fullmatch(text):
        text = wrapped[1].strip()
    text = APPROXIMATE.sub("", text, count=1) if APPROXIMATE.match(text) else text
    if bracketed := BRACKETED.fullmatch(text):
        before, name = filter(None, bracketed.groups())
        text = rf"{before}\text{{ {name}}}" if unit_of(name) else text
    money = ""
    if paid := MONEY.match(text):
        text, money = paid[1] + text[paid.end() :], paid[2] or paid[3]
    text, percent, part = in_parts(text)
    value, tail = Reader(text).read()
    tail = REMARK.sub("", tail)
    decimal = DECIMAL.match(text)
    places = len(decimal[1]) if decimal and value.rational == Fraction(decimal[0]) else None
    degrees = value.bottom == ONE and value.top and all((DEGREE, 1) in m for m in value.top)
    if degrees:
        value, tail = value / atom(DEGREE), tail or "degree"
    single = (exact := value.rational) is not None and -1 <= exact <= 1
    factor, words = (Fraction(1), tail) if whole_unit(tail) else multiplied(tail)
    unit = priced(money.lstrip("\\"), words) if money else unit_of(words, single)
    if unit is None:
        return Words(re.sub(r"\s+", " ", WRAPPED.sub(r" \1 ", text)).strip().casefold())
    if (factor := factor * part) != 1:
        value, places = value * number(factor), None
    return Quantity(value, unit if unit is not NONE else None, percent, places)


def measures(text: str) -> Group | None:
    """`5 feet 3 inches` as the list of both; None if it is something else."""
    parts = NEXT_MEASURE.split(WRAPPED.sub(r" \1 ", text).strip())
    found = [part for part in map(MEASURE.fullmatch, parts) if part]
    if not 1 < len(found) == len(parts):
        return None
    items = [quantity(rf"{part[1]}\text{{ {part[2]}}}") for part in found]
    kinds = {item.unit.dimension for item in items if isinstance(item, Quantity) and item.unit}
    return Group(",", tuple(items)) if len(kinds) == 1 else None


def in_parts(text: str) -> tuple[str, bool, Fraction]:
    """The text before a % or ‰, whether it is in percent, and what to multiply it by if not."""
    if text.endswith("\\permil"):
        return text.removesuffix("\\permil").strip(), False, Fraction(1, 1000)
    return text.rstrip("%").strip(), text.endswith("%"), Fraction(1)


def whole_unit(tail: str) -> bool:
    """Whether it is a unit though it looks like a multiplier and a unit: 3千米 are no 3000 米."""
    return tail[:1] in CHINESE_SCALES and unit_of(tail) is not None


def priced(money: str, words: str) -> Unit | None:
    r"""The unit of `\$5`, `\$5 dollars` and `\$5 per hour`; None if the words say otherwise."""
    paid, said = unit_of(money), unit_of(words)
    if said is NONE or (said and paid and said.dimension == paid.dimension):
        return paid
    return unit_of(f"{money} {words}")


def worded(text: str) -> Quantity | Words | None:
    r"""`\text{twenty-one}`, `three hours`, `十二个`, `about 5`; `two lines` stays a text.

    None for others.
    """
    if APPROXIMATE.match(text) or MONEY.match(text):
        return quantity(text)
    plain = WRAPPED.sub(r" \1 ", text).strip()
    sign, plain = (-1, plain[1:]) if plain.startswith("-") else (1, plain)
    first = re.split(r"[\s-]", plain.lower(), maxsplit=1)[0]
    if first not in SPELLED and first not in ("a", "an") and plain[:1] not in CHINESE:
        return None
    if not plain or (found := spelled(plain)) is None:
        return None
    value, rest = sign * found[0], found[1]
    percent = rest in ("%", "percent", "per cent")
    unit = NONE if percent else unit_of(rest, abs(value) <= 1)
    if unit is None:
        return None
    count = Quantity(number(value), unit if unit is not NONE else None, percent)
    return Words(plain.casefold(), count) if unit.counts and rest not in MEASURES else count
