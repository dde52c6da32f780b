"""What can be decided about two spellings without math-verify, and what it must not be asked."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Literal

from k15.graders.math.algebra.values import TooLarge
from k15.graders.math.compare.equality import same
from k15.graders.math.compare.labels import labelled
from k15.graders.math.compare.quantities import Policy
from k15.graders.math.read.answers import read
from k15.graders.math.read.kinds import Answer, huge

LONGEST = 1000  # characters of an answer; MATH's longest has 159

NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*|/\d+)?|\.\d+)")

FRACTION = re.compile(r"([+-]?)\\frac(?:\{([+-]?\d+)\}|(\d))(?:\{(\d+)\}|(\d))")

DECIMAL_COMMA = re.compile(r"[^\d,;(\[{]*\d+,\d+[^\d,;)\]}]*")

BROKEN = re.compile(r"\.\d|/|\\frac")

NUMERAL = re.compile(r"[0-9A-Z]\}?_\{?(?:\d|\\text)")

SIDE_BY_SIDE = re.compile(r"\d \d|\\text\w* ?\{[^{}]*[A-Za-z]{2}")  # numbers, or words behind one

PROSE = re.compile(r"(?<![\\A-Za-z])(?!begin|matrix|end)[A-Za-z]{4,}")

FOREIGN = re.compile("[^\t\n -~\u00a0-\u00ff\u0370-\u03ff\u2000-\u22ff]")  # to mathematics

SYMBOL = re.compile(r"[^\W_]")

PRIMED = re.compile(r"\d *(?:'|\^\{?\\prime)")  # feet, minutes or nothing at all

# Left alone by `read`, and without an end for math-verify.
HOPELESS = re.compile(
    r"\d{4}\s*[)}]*\s*!|!\s*\)*\s*!|\^\s*\{?[-+]?\d+\}?\s*\)*\s*!"
    r"|\^\s*\{?[^{}]*\d{4}|\^\s*\{[^{}]*\d\s*\^\s*\{?\d|\^\s*(?:\d+|[A-Za-z])\s*\^"
    r"|\\(?:sum|prod|i*int|lim)(?![A-Za-z])|\\binom\s*\{\d{4}"
)


def exact(answer: str, gold: str, policy: Policy = Policy()) -> bool | None:  # noqa: B008
    """Whether two normalised answers are equal; None if exact arithmetic does not decide it.

    Raises TooLarge if an answer is one that nobody should try to work out.
    """
    if answer == gold:
        return True
    left, right = rational(answer), rational(gold)
    if left is not None and right is not None and (left == right or "." not in answer + gold):
        return left == right
    return labelled(answer, gold, lambda one, other: decided(one, other, policy))


def decided(answer: str, gold: str, policy: Policy) -> bool | None:
    if answer == gold:
        return True
    answer = with_point(answer, gold)
    right, left = read(gold), read(answer)
    if left is None or right is None:
        return False if NUMERAL.search(answer + " " + gold) else None
    verdict = same(left, right, policy)
    if verdict is None and (huge(left) or huge(right)):
        raise TooLarge("a power or a factorial of many digits")
    return verdict


def with_point(text: str, other: str) -> str:
    """`1,22` as 1.22 where the other one is a single number that is not whole."""
    if DECIMAL_COMMA.fullmatch(text) and "," not in other and BROKEN.search(other):
        return text.replace(",", ".")
    return text


def rational(answer: str) -> Fraction | None:
    r"""`5`, `-0.5`, `1/2`, `-\frac{1}{2}` or `\frac12` as a number; None for anything else."""
    if len(answer) > LONGEST:
        return None
    if match := FRACTION.fullmatch(answer):
        sign, *digits = match.groups()
        top, bottom = (int(number) for number in digits if number)
        return Fraction(-top if sign == "-" else top, bottom) if bottom else None
    if NUMBER.fullmatch(answer) and not re.search(r"/0+$", answer):
        return Fraction(answer)
    return None


def refused(text: str) -> Literal["limit", "unreadable"] | None:
    """Why math-verify should not be asked about an answer, None if it may."""
    if SIDE_BY_SIDE.search(text) or PRIMED.search(text):
        return "unreadable"
    if HOPELESS.search(text) or text.count("{") > 60 or text.count("(") > 40:
        return "limit"
    bare = re.sub(r"\\[A-Za-z]+\s*(?:\{[a-z]*\})?", "", text)
    odd = PROSE.search(bare) or FOREIGN.search(text) or not SYMBOL.search(text)
    return "unreadable" if odd or text.count("{") != text.count("}") else None


def quietly_read(text: str) -> Answer | None:
    try:
        return read(text)
    except TooLarge:
        return None
