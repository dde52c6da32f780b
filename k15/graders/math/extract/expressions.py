r"""Where a mathematical expression ends that begins somewhere in prose.

`5 apples` is 5, `x = 3, because` is x = 3, `$\frac12$ of it` is \frac12, `2.5 million` is whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from k15.graders.math.algebra.values import TooLarge
from k15.graders.math.normalise import normalise
from k15.graders.math.read.answers import read
from k15.graders.math.read.kinds import Quantity

LONGEST = 2000  # characters of an expression
DEEPEST = 20  # brackets within brackets, and signs in a row

DISPLAYED = {"$$": "$$", "\\(": "\\)", "\\[": "\\]"}
INLINE = re.compile(r"\$((?:\\.|[^$\\\n]){1,2000}?)\$(?!\d)")
PROSE = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
NUMBER = r"(?:\d{1,3}(?:(?:,|\{,\}|\\,|,\\!\s?)\d{3})+(?!\d)(?:\.\d+)?|\d+(?:[.,]\d+)*|\.\d+)"
TIME = r"\d{1,2}:\d\d(?::\d\d)?(?:\s?[ap]\.?m\b\.?)?"
WORD = (
    r"(?:arc)?(?:sin|cos|tan|cot|sec|csc|sinh|cosh|tanh)|log|ln|exp|sqrt|pi|theta|infty|infinity"
    r"|oo|lcm|gcd|max|min|mod"
)
DELIMITER = r"\s*(?:\\?[\[\](){}|.<>/]|\\[a-z]+)"
TOKEN = re.compile(
    rf"(?P<space>\s+)|(?P<number>(?i:{TIME})|{NUMBER})"
    r"|(?P<text>\\(?:text\w*|math[a-z]+|mbox|operatorname|color)\s*\{[^{}]*\})"
    rf"|(?P<open>\\left{DELIMITER}|\\begin\s*\{{[^{{}}]*\}}|\\\{{|\\langle|[(\[{{])"
    rf"|(?P<close>\\right{DELIMITER}|\\end\s*\{{[^{{}}]*\}}|\\\}}|\\rangle|[)\]}}])"
    r"|(?P<sign>\\(?:times|cdot|div|pm|mp|le|ge|leq|geq|lt|gt|ne|neq|approx|in|cup|cap|to|mod|pmod)"
    r"(?![A-Za-z])|[-+*/^_=<>≤≥≠≈±×÷·−–∪∩∈:&]"
    r"|(?i:plus|minus|negative|times|divided by|out of)(?=[ \t]\d)|负(?=\d))"
    r"|(?P<command>\\[dtc]?frac\s*\d\s*\d(?!\d)|\\[A-Za-z]+)|(?P<gap>\\[\\ ,;:!%&])"
    r"|(?P<money>\\?\$(?=[\d.\\-])|[€£¥](?=\s?\d))"
    r"|(?P<after>[!%°'|²³⁰-⁹√π∞½¼¾⅓⅔])"
    rf"|(?P<word>(?:{WORD})(?![A-Za-z]))|(?P<letter>[A-Za-z](?![A-Za-z'’]))|(?P<comma>[,;])"
)
AND = re.compile(r"\s*(?:,?\s*\b(?:and|or)\b|[,;、和或与及]|\\q?quad)\s*(?:\\q?quad\s*)?")
OR = re.compile("or|或")
AND_LAST = re.compile(r"\b(?:and|or)$")
ARTICLE = re.compile(
    r"[aAI]\s+[A-Za-z]{2}|[A-Za-z]\s+(?!(?:and|or|is|are|in|for|because)\b)[a-z]{2,}"
)
UNIT = re.compile(
    r"\s?(?:[A-Za-z°¢/%]+(?:\.(?=\s[a-z]))?(?:\^?\{?[23²³]\}?)?|[一-鿿]{1,3})(?![A-Za-z])"
)
UNIT_WORDS = 3
ARITHMETIC = re.compile(r"[-+*/×÷·−–=≈x\s\d.,()$€£%\\]*[=≈]\s*(?=[^=≈]*$)")
BEGINS = re.compile(
    r"\$|\\(?![ ,;!%])|[(\[{½¼¾⅓⅔∞π√]"
    r"|(?<![\w.^/])(?:[-+−–±](?=\s?[$€£¥\d.(\\])|[$€£¥]?\.?\d)|(?<=[一-鿿\u3000-〿：])[-−]?\d"
    r"|(?<![A-Za-z])(?i:minus|negative)[ \t](?=\d)|负(?=\d)"
    r"|(?<![A-Za-z0-9\\_])[A-Za-z](?=\s?[-+*/^_=<>≤≥(\\])"
)
CONTENT = re.compile(r"[^\W_]|[\\½¼¾⅓⅔∞π]")
OPERANDS = ("number", "command", "letter", "word", "after", "text")
COUNTS = (*OPERANDS, "close")


class Expression(NamedTuple):
    """`text` stands at `start` to `end`; dollars around a formula are not in it."""

    text: str
    start: int
    end: int
    formula: bool


def expression_at(text: str, start: int, *, units: bool = True) -> Expression | None:
    """The longest expression, or list of them, that begins at `start`, units with it or not."""
    first = one_at(text, start, units)
    if first is None:
        return None
    parts, end, formula, joint = [first], first.end, first.formula, ", "
    while (tie := AND.match(text, end)) and tie.end() > end:
        item = one_at(text, tie.end(), units)
        if item is None or len(parts) > 50:
            break
        parts, end, formula = [*parts, item], item.end, formula and item.formula
        joint = " or " if OR.search(tie[0]) else joint
    return Expression(joint.join(part.text for part in parts), start, end, formula)


def one_at(text: str, start: int, units: bool) -> Expression | None:
    """The longest expression that begins at `start` and is no list."""
    if formula := formula_at(text, start):
        inner, close = formula
        end = with_unit(text, start, close) if units else close
        return Expression(inner + text[close:end], start, end, True)
    end = bare_end(text, start)
    if not CONTENT.search(text, start, end):
        return None
    end = with_unit(text, start, end) if units else end
    inner = text[start:end]
    if (sides := ARITHMETIC.match(inner)) and re.search(r"\d", sides[0]):
        inner = inner[sides.end() :]
    return Expression(inner, start, end, False)


def formula_at(text: str, start: int) -> tuple[str, int] | None:
    """What stands between the dollars or brackets of LaTeX that begin at `start`, and their end."""
    if close := DISPLAYED.get(text[start : start + 2]):
        end = text.find(close, start + 2, start + LONGEST)
        inner = text[start + 2 : max(end, 0)].strip()
        return (inner, end + 2) if inner else None
    match = INLINE.match(text, start)
    if match is None or not (inner := match[1].strip()):
        return None
    # "$5 for $x$ pens": a space at one end tells money from mathematics
    spaces = match[1][0].isspace() + match[1][-1].isspace()
    money = spaces == 1 and PROSE.search(inner)
    return None if money else (inner, match.end())


def bare_end(text: str, start: int) -> int:
    """Where the expression ends that begins at `start` without delimiters."""
    place = end = start
    depth, idle, before, stop = 0, 0, "", min(len(text), start + LONGEST)
    while place < stop and (token := TOKEN.match(text, place, stop)):
        kind = str(token.lastgroup)
        if kind == "letter" and prose(text, place, before):
            break
        if kind == "space" and "\n" in token[0] and depth == 0:
            break
        if (kind == "comma" and depth == 0) or (kind == before == "number" and apart(text, token)):
            break
        depth += (kind == "open") - (kind == "close")
        idle = 0 if kind in OPERANDS else idle + 1
        if not 0 <= depth <= DEEPEST or idle > DEEPEST:
            break
        place = token.end()
        if kind != "space":
            before = kind
        if depth == 0 and kind in COUNTS:
            end = place
    return end


def apart(text: str, number: re.Match[str]) -> bool:
    """Whether a number that follows another one is a new one, not thousands or a mixed fraction."""
    return not re.match(r"\d{3}(?![\d.,]\d)|\d+\s?/\s?\d", text[number.start() : number.end() + 4])


def prose(text: str, place: int, before: str) -> bool:
    """Whether the letter at `place` is a word of a sentence: an article, a pronoun, a name."""
    return bool(ARTICLE.match(text, place)) and before not in ("sign", "command")


def with_unit(text: str, start: int, end: int) -> int:
    """`end`, or where the unit or number word ends that follows: `5 cm`, `2.5 million`."""
    ends = [end]
    for _ in range(UNIT_WORDS):
        word = UNIT.match(text, ends[-1])
        if not word:
            break
        ends.append(word.end())
    for further in reversed(ends[1:]):
        if not AND_LAST.search(text, start, further) and readable(text[start:further]):
            return further
    return end


def readable(text: str) -> bool:
    """Whether it is a number, or a quantity of a unit that is known."""
    try:
        reading = read(normalise(text))
    except TooLarge:
        return False
    return isinstance(reading, Quantity) and not reading.value.symbols


def expressions(text: str) -> Iterator[Expression]:
    """All of a text that hold a number or are formulas, from left to right."""
    place = 0
    while start := BEGINS.search(text, place):
        found = expression_at(text, start.start(), units=False)
        place = max(start.end(), found.end if found else 0)
        if found and (found.formula or re.search(r"[\d\\½¼¾⅓⅔∞π]", found.text)):
            yield found
