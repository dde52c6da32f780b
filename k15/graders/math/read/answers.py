r"""Reads an answer: a quantity, a tuple, an interval, a set, a matrix, a relation.

`read` turns a normalised spelling into one of the classes of `kinds`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from k15.graders.math.algebra.values import Value
from k15.graders.math.read.brackets import encloses, split
from k15.graders.math.read.expressions import Reader
from k15.graders.math.read.figures import figure_of
from k15.graders.math.read.kinds import (
    Answer,
    Difference,
    Equation,
    Family,
    Group,
    Intersection,
    Matrix,
    Quantity,
    Ratio,
    Union,
    Words,
)
from k15.graders.math.read.numerals import numeral_of
from k15.graders.math.read.quantities import measures, quantity, worded
from k15.graders.math.read.relations import read_relation, related
from k15.graders.math.read.residues import MODULO, residue
from k15.graders.math.read.times import clock_of, date_of
from k15.graders.math.read.tokens import TEXT, Unreadable
from k15.graders.math.read.words import product_in_text, words_of

BUILDER = re.compile(r"\\\{ ?[a-zA-Z](?:\\in ?\\R)? ?(?:\\mid|\||:)(.*)\\\}", re.DOTALL)
DOMAIN = r"([a-z])\\in ?\{?\\?([NZQRC](?:\}?_?\^?\{?[+*])?)\}? ?"
FAMILY = re.compile(
    rf"(.+?)(?:[,;] ?(?:{TEXT}\{{[^{{}}]*\}})?|{TEXT}\{{[^{{}}]*\}}) ?{DOMAIN}"
    rf"|(.+?) ?\( ?{DOMAIN} ?\)|\\\{{(.+?)(?:\\mid|\||:) ?{DOMAIN} ?\\\}}",
    re.DOTALL,
)
NAME = re.compile(
    r"(?:[A-Za-z'|(),: ]|\\[A-Za-z]+|_\{[^{}]*\}|_\w|\(-?\d+\)|\^\{-1\}|\{[A-Za-z]*\})*"
)
DENIED = re.compile(r"\b(?:not|no|none|never|isn't|wrong|at (?:least|most)|than)\b", re.I)
POINT = re.compile(r"([A-Z]'*(?:_\{?\d\}?)?)(\(.*\))", re.DOTALL)
MATRIX = re.compile(r"\\begin\{((?:[pb]|small)?matrix)\}(.*)\\end\{\1\}", re.DOTALL)
TRANSPOSED = re.compile(r"(.*[)\]}])\^\{*(?:T|\\top|\\intercal) ?\}*", re.DOTALL)
SYSTEM = re.compile(
    r"(\\\{ ?)?\\begin\{([dr]?cases|array|aligned|align\*?|gathered|split)\}(?:\{[lcr| ]*\})?"
    r"(.*)\\end\{\2\}",
    re.DOTALL,
)
ROW = re.compile(r"\\\\(?: ?\[[\d.]+ ?\w+\])?")
IF = re.compile(rf",? ?(?:{TEXT}\{{ ?(?:if|when|for|where|当|若)? ?\}}|if|when|for) ?")


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
    if not text:
        raise Unreadable("nothing")
    if len(choices_ := split(text, "\\lor")) > 1:
        return read_alternatives([part.strip(" ,") for part in choices_])
    if family := read_family(text):
        return family
    if date := date_of(text):
        return date
    groups = split(text, ";")
    if len(groups) > 1:
        return listed([read_list(group, "()") for group in groups])
    return solutions(read_list(text, ","))


def read_family(text: str) -> Answer | None:
    r"""`2k\pi, k \in \mathbb{Z}` and `1 \pmod 4`; but `9 \bmod 4` is 1."""
    if modulo := MODULO.fullmatch(text):
        return residue(read_answer(modulo[1]), modulo[2], int(modulo[3]))
    if not (family := FAMILY.fullmatch(text)):
        return None
    stem, parameter, domain = (part for part in family.groups() if part)
    renamed = re.sub(rf"(?<![\\A-Za-z]){parameter}(?![A-Za-z])", "n", stem)
    return Family(read_answer(stem), read_answer(renamed), re.sub("[_^{}]", "", domain))


def read_alternatives(parts: list[str]) -> Answer:
    """What "or" stands between: inequalities or intervals make a union, one value twice is that
    value, and everything else is a list.
    """
    if all(related(part) or re.search(r"^\[|\]$|\\infty|\\cup", part) for part in parts):
        return Union(tuple(map(read_answer, parts)))
    answer = read_answer(",".join(parts))
    return answer.items[0] if isinstance(answer, Group) and alike(answer.items) else answer


def alike(items: tuple[Answer, ...]) -> bool:
    """Whether they are numbers of one value."""
    values = [item.value for item in items if isinstance(item, Quantity) and not item.percent]
    return 1 < len(values) == len(items) and all(values[0].equals(value) for value in values)


def read_list(text: str, kind: str) -> Answer:
    items = split(text, ",")
    if len(items) == 1:
        return read_item(text)
    return Group(kind, tuple(variants(read_item(item.strip()) for item in items)))


def listed(items: list[Answer]) -> Answer:
    return items[0] if len(items) == 1 else Group(",", tuple(items))


def solutions(answer: Answer) -> Answer:
    """`p = 5, q = 2, p = 7, q = 2` as two solutions: where names come again in the same order."""
    items = answer.items if isinstance(answer, Group) else ()
    names = [item.name for item in items if isinstance(item, Equation)]
    size = len(set(names))
    if not 1 < size < len(items) or len(names) < len(items) or len(items) % size:
        return answer
    if names != names[:size] * (len(items) // size) or None in names:
        return answer
    starts = range(0, len(items), size)
    return Group(",", tuple(Group("()", items[start : start + size]) for start in starts))


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
    if text == "\\dots":
        return Words(text)
    if time := clock_of(text):
        return time
    if numeral := numeral_of(text):
        return numeral if numeral.base != 10 else read_item(numeral.digits)
    if words := worded(text) or figure_of(text) or words_of(text) or measures(text):
        return words
    if letters := product_in_text(text):
        return read_item(letters)
    if (equation := read_equation(text)) is not None:
        return equation
    return read_set(text) or read_statement(text) or read_structure(text) or quantity(text)


def read_set(text: str) -> Answer | None:
    r"""`A \cup B`, `A \cap B`, `A \setminus B`, `\{x \mid x > 2\}`."""
    if len(parts := split(text, "\\cup")) > 1:
        return Union(tuple(read_item(part) for part in parts))
    if len(parts := split(text, "\\cap")) > 1:
        return Intersection(tuple(read_item(part) for part in parts))
    if len(parts := split(text, "\\setminus")) == 2:
        return Difference(read_item(parts[0]), read_item(parts[1]))
    builder = BUILDER.fullmatch(text)
    return read_answer(builder[1]) if builder else None


def read_statement(text: str) -> Answer | None:
    """An inequality, or the two answers that a ± makes."""
    plus_minus = "\\pm" in text or "\\mp" in text
    if related(text) and not (plus_minus and "\\ne" in text):
        return read_relation(text)
    return listed([read_item(choice) for choice in choices(text)]) if plus_minus else None


def read_structure(text: str) -> Answer | None:
    """What has parts: a group, a matrix, a system, a ratio, a time of the day."""
    if group := read_group(text):
        return group
    if matrix := MATRIX.fullmatch(text):
        rows = [row.split("&") for row in re.split(r"\\\\", matrix[2].strip()) if row.strip()]
        return Matrix(tuple(tuple(read_item(cell) for cell in row) for row in rows))
    if turned := TRANSPOSED.fullmatch(text):
        return transposed(read_item(turned[1]))
    if system := SYSTEM.fullmatch(text):
        return read_system(system[3])
    if (point := POINT.fullmatch(text)) and encloses(point[2]) and (group := read_group(point[2])):
        return Equation(point[1], None, group)
    if len(parts := split(text, ":")) > 1:
        return Ratio(tuple(read_item(part) for part in parts))
    return None


def transposed(answer: Answer) -> Matrix:
    if isinstance(answer, Group) and answer.kind in ("()", "[]"):
        return Matrix(tuple((item,) for item in answer.items))
    if not isinstance(answer, Matrix) or len({len(row) for row in answer.rows}) != 1:
        raise Unreadable("the transpose of no matrix")
    return Matrix(tuple(zip(*answer.rows, strict=True)))


def read_system(rows: str) -> Answer:
    r"""The rows of `cases` as a list; if each has a condition behind `&`, as a set of pairs."""
    lines = [row.strip(" ,;.") for row in ROW.split(rows)]
    cells = [[cell.strip(" ,") for cell in line.split("&")] for line in lines if line]
    if all(len(row) == 2 and (IF.match(row[1]) or related(row[1])) for row in cells):
        pieces = [(value, IF.sub("", condition, count=1)) for value, condition in cells]
        return Group("{}", tuple(Group("()", tuple(map(read_item, piece))) for piece in pieces))
    return solutions(read_list(",".join("".join(row) for row in cells), ","))


def read_equation(text: str) -> Answer | None:
    r"""`x = 5`, `f(x) = x^2`, `x \in [0, 1)`, `2x + y = 3`; of `a = b \approx c` the exact part."""
    if len(parts := split(text, "\\approx")) > 1:
        exact = parts[0].strip() and not named_alone(parts[0].strip())
        return read_item(parts[0] if exact else parts[1])
    parts = split(text, "=", "\\in")
    if len(parts) < 2:
        return None
    left, right = parts[0].strip(), parts[-1].strip()
    if any(map(related, parts)) or DENIED.search(left):
        return Words(text)  # 3 \ne 5 = 5 says neither
    if len(parts) == 2 and named_alone(right) and not named_alone(left):
        left, right = right, left
    name = re.sub(r"\s|\\text|\\overline|[{}$]", "", left) if NAME.fullmatch(left) else None
    value = value_of(left)
    if len(parts) == 2 or name or (value and value.rational is None):
        return Equation(name, value, read_item(right))
    sides = [read_item(part) for part in parts]
    return Equation(None, value, sides[-1])


def named_alone(text: str) -> bool:
    """Whether it is one symbol: `x`, `a_1`."""
    value = value_of(text) if len(text) < 20 and NAME.fullmatch(text) else None
    return value is not None and len(value.symbols) == len(value.top) == 1 and not value.opaque


def value_of(text: str) -> Value | None:
    try:
        return Reader(text).read()[0]
    except (Unreadable, ZeroDivisionError):
        return None


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


def read_group(text: str) -> Group | Matrix | None:
    """A tuple, an interval or a set: brackets around the whole, and a comma or braces."""
    opening, closing = text[0], text[-1]
    if text.startswith("\\{") and text.endswith("\\}"):
        members = tuple(variants(map(read_item, split(text[2:-2], ","))))
        named = all(isinstance(member, Equation) for member in members)
        return Group("," if named else "{}", members)
    if text.startswith("\\langle") and text.endswith("\\rangle"):
        return Group("()", tuple(map(read_item, split(text[7:-7], ","))))
    if opening == "{" and closing == "}" and encloses(text):
        inner = read_list(text[1:-1].strip(), ",")
        return inner if isinstance(inner, Group) else Group(",", (inner,))
    if opening in "([" and closing in ")]" and encloses(text):
        items = split(text[1:-1], ",")
        if len(items) > 1:
            return grid(Group(opening + closing, tuple(read_item(item) for item in items)))
    return None


def grid(group: Group) -> Group | Matrix:
    """`[[1, 2], [3, 4]]` as a matrix."""
    rows = tuple(i.items for i in group.items if isinstance(i, Group) and i.kind == "[]")
    square = group.kind == "[]" and len(rows) == len(group.items)
    return Matrix(rows) if square and len({len(row) for row in rows}) == 1 else group
