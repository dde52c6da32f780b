"""What can be decided about two spellings without math-verify, and what it must not be asked."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Literal

from k15.graders.math.algebra.values import TooLarge
from k15.graders.math.compare.equality import Policy, same
from k15.graders.math.read.answers import read
from k15.graders.math.read.kinds import Answer, huge

LONGEST = 1000  # characters of an answer; MATH's longest has 159

NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*|/\d+)?|\.\d+)")

FRACTION = re.compile(r"([+-]?)\\frac(?:\{([+-]?\d+)\}|(\d))(?:\{(\d+)\}|(\d))")

LABEL = re.compile(r"(?:\\text\{)?\(([A-J])\)\}?\s*([^-+*/^=()].*)|([A-J])[.:)]\s*(\S.*)")

LETTER = re.compile(r"(?:\\text[a-z]*\{|\\math[a-z]+\{)?\(?([A-Ja-j])[.)]?\}?")

NUMERAL = re.compile(r"[0-9A-Z]\}?_\{?(?:\d|\\text)")

PROSE = re.compile(r"(?<![\\A-Za-z])(?!begin|matrix|end)[A-Za-z]{4,}")

# Left alone by math_answers, and without an end for math-verify.
HOPELESS = re.compile(
    r"\d{4}\s*[)}]*\s*!|!\s*\)*\s*!|\^\s*\{?[-+]?\d+\}?\s*\)*\s*!"
    r"|\^\s*\{?[^{}]*\d{4}|\^\s*\{[^{}]*\d\s*\^\s*\{?\d|\^\s*\w+\s*\^"
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
    letter = LETTER.fullmatch(gold)
    if label := LABEL.fullmatch(answer):
        if letter and (gold.isupper() or len(gold) > 1):
            return (label[1] or label[3]) == letter[1].upper()
        answer = label[2] or label[4]
    elif letter and (chosen := LETTER.fullmatch(answer)) and "(" in gold + answer:
        return chosen[1].upper() == letter[1].upper()
    elif label := LABEL.fullmatch(gold):
        if chosen := LETTER.fullmatch(answer):
            return chosen[1].upper() == (label[1] or label[3])
        gold = label[2] or label[4]
    return decided(answer, gold, policy)


def decided(answer: str, gold: str, policy: Policy) -> bool | None:
    if answer == gold or (len(gold) > 2 and gold.isalpha() and answer.lower() == gold.lower()):
        return True
    right, left = read(gold), read(answer)
    if left is None or right is None:
        return False if NUMERAL.search(answer + " " + gold) else None
    verdict = same(left, right, policy)
    if verdict is None and (huge(left) or huge(right)):
        raise TooLarge("a power or a factorial of many digits")
    return verdict


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
    if HOPELESS.search(text) or text.count("{") > 60 or text.count("(") > 40:
        return "limit"
    return (
        "unreadable" if PROSE.search(re.sub(r"\\[A-Za-z]+\s*(?:\{[a-z]*\})?", "", text)) else None
    )


def quietly_read(text: str) -> Answer | None:
    try:
        return read(text)
    except TooLarge:
        return None
