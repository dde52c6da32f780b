"""The words of a question, by which questions are compared."""

from __future__ import annotations

import re
import unicodedata

from k15.questions import text_of
from k15.types import Problem

WORD = re.compile(
    r"\d+(?:\.\d+)?|[\u3400-\u9fff]|[^\W\d_\u3400-\u9fff]+|[-+*/=<>^]"  # a Chinese character is one
)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
NOTHING = re.compile(r"\\(?:left|right|text|mathrm|displaystyle|[,;:! ])")
"""LaTeX that changes how a question looks, and not what it asks."""


def words_of(problem: Problem) -> tuple[str, ...]:
    """The words of what the user asks."""
    return words(text_of([turn for turn in problem.prompt if turn["role"] == "user"]))


def words(text: str) -> tuple[str, ...]:
    """In small letters, numbers and operators included, punctuation and layout left out.

    Example: `words("Find $x+1,000$.")` is ("find", "x", "+", "1000").
    """
    text = unicodedata.normalize("NFKC", NOTHING.sub(" ", text)).lower()
    return tuple(WORD.findall(THOUSANDS.sub("", text)))


def shingles(found: tuple[str, ...], size: int) -> frozenset[str]:
    """Every run of `size` words; of fewer words, all of them as one."""
    starts = range(max(1, len(found) - size + 1))
    return frozenset(" ".join(found[start : start + size]) for start in starts if found)


def numbers(found: tuple[str, ...]) -> tuple[str, ...]:
    """The numbers among the words, in their order."""
    return tuple(word for word in found if NUMBER.fullmatch(word))
