r"""Reads an answer: a quantity, a tuple, an interval, a set, a matrix, a relation.

`read` turns a normalised spelling into one of the classes of `math_kinds`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from k15.graders.math.algebra.values import DEGREE, ONE, TooLarge, Value, atom
from k15.graders.math.normalise import unit_of
from k15.graders.math.read.expressions import Reader
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
from k15.graders.math.read.tokens import TEXT, Unreadable

LONGEST_LIST = 100
OPENING, CLOSED = "([{", ")]}"
COMMAND = re.compile(r"\\(?:begin|end|langle|rangle|.)", re.DOTALL)
DEPTHS = {"\\begin": 1, "\\end": -1, "\\langle": 1, "\\rangle": -1, "\\{": 1, "\\}": -1}
BUILDER = re.compile(r"\\\{ ?[a-zA-Z](?:\\in ?\\R)? ?(?:\\mid|\||:)(.*)\\\}", re.DOTALL)
TEXTS = re.compile(TEXT + r"\{([^{}]*)\}")
NUMERAL = re.compile(
    rf"(?:{TEXT}\{{)?(-?[0-9A-Z]+(?:\.[0-9A-Z]+)?)\}}?_(?:\{{?(\d+)\}}?|\{{?{TEXT}\{{([a-z]+)\}}\}}?)"
)
BASES = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
         "ten": 10, "eleven": 11, "twelve": 12, "sixteen": 16}  # fmt: skip
DECIMAL = re.compile(r"-?\d*\.(\d+)")
CLOCK = re.compile(
    rf"(\d{{1,2}}):([0-5]\d)(?:\s*({TEXT}\{{)?\s*([ap])\.? ?m\.?\}}?)?", re.IGNORECASE
)
NAME = re.compile(
    r"(?:[A-Za-z'|(),: ]|\\[A-Za-z]+|_\{[^{}]*\}|_\w|\(-?\d+\)|\^\{-1\}|\{[A-Za-z]*\})*"
)
RELATION = re.compile(r"<|>|\\[lg]e(?![A-Za-z])|\\ne(?![A-Za-z])")
MATRIX = re.compile(r"\\begin\{([pb]matrix)\}(.*)\\end\{\1\}", re.DOTALL)
PLAIN_WORDS = re.compile(r"[A-Za-z][A-Za-z' -]{2,}[A-Za-z'](?: \d+)?|[A-Z][a-z]{2,}")


@lru_cache(maxsize=2**14)
def read(text: str) -> Answer | None:
    """A normalised answer; None if this does not know it.

    Raises TooLarge if it has too many brackets or items for anybody to look at.
    """
    try:
        return read_answer(text)
    except (Unreadable, ZeroDivisionError):
        return None


def read_answer(text: str) -> Answer:
    text = text.strip()
    if not text or "\\dots" in text:
        raise Unreadable("nothing, or dots")
    groups = split(text, ";")
    if len(groups) > 1:
        return listed([read_list(group, "()") for group in groups])
    return read_list(text, ",")


def read_list(text: str, kind: str) -> Answer:
    items = split(text, ",")
    if len(items) == 1:
        return read_item(text)
    return Group(kind, tuple(variants(read_item(item.strip()) for item in items)))


def listed(items: list[Answer]) -> Answer:
    return items[0] if len(items) == 1 else Group(",", tuple(items))


def variants(items: Iterable[Answer]) -> Iterator[Answer]:
    """The items, those that are lists themselves (from ±) opened."""
    for item in items:
        if isinstance(item, Group) and item.kind == ",":
            yield from item.items
        else:
            yield item


def read_item(text: str) -> Answer:
    """What stands between two commas."""
    if not (text := text.strip()):
        raise Unreadable("nothing between two signs")
    if numeral := NUMERAL.fullmatch(text):
        base = BASES.get(numeral[3], 0) if numeral[3] else int(numeral[2])
        if base == 10:
            return read_item(numeral[1])
        return Numeral(numeral[1].lstrip("0"), base)
    if words := words_of(text):
        return words
    if len(parts := split(text, "\\cup")) > 1:
        return Union(tuple(read_item(part.strip()) for part in parts))
    if builder := BUILDER.fullmatch(text):
        return read_item(builder[1])
    if (equation := read_equation(text)) is not None:
        return equation
    if len(split(text, "<", ">", "\\le", "\\ge", "\\ne")) > 1:
        return read_relation(text)
    if "\\pm" in text or "\\mp" in text:
        return listed([read_item(choice) for choice in choices(text)])
    if group := read_group(text):
        return group
    if matrix := MATRIX.fullmatch(text):
        rows = [row.split("&") for row in re.split(r"\\\\", matrix[2].strip()) if row.strip()]
        return Matrix(tuple(tuple(read_item(cell.strip()) for cell in row) for row in rows))
    if clock := CLOCK.fullmatch(text):
        parts = [clock[1], clock[2]]
        return Ratio(
            tuple(map(read_item, parts)), f"{int(clock[1])}:{clock[2]} {clock[4] or ''}".lower()
        )
    if len(parts := split(text, ":")) > 1:
        return Ratio(tuple(read_item(part) for part in parts))
    return quantity(text)


def words_of(text: str) -> Words | None:
    r"""`\text{odd}`, `Evelyn`, `June 20`; None for an expression and for a letter alone."""
    plain = TEXTS.sub(r" \1 ", text).strip()
    if (plain == text and not PLAIN_WORDS.fullmatch(text)) or len(plain) < 2:
        return None
    if re.fullmatch(r"\(?[A-Z]\)?", plain) or re.search(r"[\\{}^_=<>+]|^\W*\d", plain):
        return None
    return Words(re.sub(r"[^\w]+", " ", plain).strip().casefold())


def read_equation(text: str) -> Answer | None:
    r"""`x = 5`, `f(x) = x^2`, `x \in [0, 1)`, `2x + y = 3`; of `a = b \approx c` the exact part."""
    if len(parts := split(text, "\\approx")) > 1:
        return read_item((parts[0] or parts[1]).strip())
    parts = split(text, "=", "\\in")
    if len(parts) < 2:
        return None
    left, right = parts[0].strip(), parts[-1].strip()
    name = re.sub(r"\s|\\text|\\overline|[{}$]", "", left) if NAME.fullmatch(left) else None
    try:
        value = Reader(left).read()[0]
    except Unreadable:
        value = None
    if len(parts) == 2 or name or (value and value.rational is None):
        return Equation(name, value, read_item(right))
    sides = [read_item(part.strip()) for part in parts]
    return Equation(None, value, sides[-1])


def read_relation(text: str) -> Answer:
    sides = split(text, "<", ">", "\\le", "\\ge", "\\ne")
    operators = RELATION.findall(text)
    values = [Reader(side.strip()).read()[0] for side in sides]
    if len(operators) != len(sides) - 1 or len(sides) > 3:
        raise Unreadable("relations in brackets, or too many of them")
    relations = [
        relation(left, operator, right)
        for left, operator, right in zip(values, operators, values[1:], strict=False)
    ]
    return relations[0] if len(relations) == 1 else Chain(tuple(relations))


def relation(left: Value, operator: str, right: Value) -> Relation:
    if operator in (">", "\\ge"):
        left, right, operator = right, left, {">": "<", "\\ge": "\\le"}[operator]
    return Relation(left, {"\\le": "<=", "\\ne": "!="}.get(operator, operator), right)


def choices(text: str) -> list[str]:
    r"""`\pm` as plus and as minus, each on its own; `\mp` as its opposite."""
    if "\\mp" in text or text.count("\\pm") > 3:
        if text.count("\\pm") > 1:
            raise Unreadable("many signs")
        signs = [("+", "-"), ("-", "+")]
        return [text.replace("\\pm", plus).replace("\\mp", minus) for plus, minus in signs]
    texts = [text]
    while "\\pm" in texts[0]:
        texts = [t.replace("\\pm", sign, 1) for t in texts for sign in "+-"]
    return texts


def read_group(text: str) -> Group | None:
    """A tuple, an interval or a set: brackets around the whole, and a comma or braces."""
    opening, closing = text[0], text[-1]
    if text.startswith("\\{") and text.endswith("\\}"):
        return Group("{}", tuple(variants(map(read_item, split(text[2:-2], ",")))))
    if text.startswith("\\langle") and text.endswith("\\rangle"):
        return Group("()", tuple(map(read_item, split(text[7:-7], ","))))
    if opening == "{" and closing == "}" and encloses(text):
        inner = read_list(text[1:-1].strip(), ",")
        return inner if isinstance(inner, Group) else Group(",", (inner,))
    if opening in "([" and closing in ")]" and encloses(text):
        items = split(text[1:-1], ",")
        if len(items) > 1:
            return Group(opening + closing, tuple(read_item(item.strip()) for item in items))
    return None


def encloses(text: str) -> bool:
    """Whether the first bracket closes with the last one."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character in OPENING) - (character in CLOSED)
        if depth == 0:
            return place == len(text) - 1
    return False


def split(text: str, *separators: str) -> list[str]:
    """The parts of `text` between separators that stand in no bracket."""
    if not any(separator in text for separator in separators):
        return [text]
    parts, start, depth, place = [], 0, 0, 0
    while place < len(text):
        if depth == 0 and (found := next((s for s in separators if starts(text, s, place)), None)):
            parts.append(text[start:place])
            start = place = place + len(found)
            continue
        if text[place] == "\\" and (command := COMMAND.match(text, place)):
            depth += DEPTHS.get(command[0], 0)
            place += len(command[0])
            continue
        depth += (text[place] in OPENING) - (text[place] in CLOSED)
        place += 1
    if len(parts) > LONGEST_LIST:
        raise TooLarge(f"more than {LONGEST_LIST} items")
    return [*parts, text[start:]]


def starts(text: str, separator: str, place: int) -> bool:
    end = place + len(separator)
    return text.startswith(separator, place) and not (
        separator[0] == "\\" and text[end : end + 1].isalpha()
    )


def quantity(text: str) -> Quantity:
    r"""`5`, `\$5`, `5\text{ cm}`, `50%`, `90^\circ`, `1.2e3 km`."""
    decimal = DECIMAL.fullmatch(text)
    unit = ""
    if money := re.match(r"(-?)(?:\\?\$|€|£)\s*(?=[\d.\\-])", text):
        text, unit = money[1] + text[money.end() :], money[0].strip("-\\ ")
    percent = text.endswith("%")
    value, words = Reader(text.rstrip("%").strip()).read()
    degrees = value.bottom == ONE and value.top and all((DEGREE, 1) in m for m in value.top)
    if degrees:
        value, words = value / atom(DEGREE), words or "degree"
    if unit and words and unit_of(unit) != unit_of(words):
        raise Unreadable("two units")
    return Quantity(value, unit_of(unit or words), percent, len(decimal[1]) if decimal else None)
