r"""Answers that are words: `\text{no}`, `Evelyn`, 偶数; and what looks like one but is none.

Letters side by side are a product, `ab` = `ba`, unless they are a word, which is compared as text:
`on` is not `no`, 上海 not 海上. See `is_word` for the line between the two.
"""

from __future__ import annotations

import re

from k15.graders.math.algebra import functions
from k15.graders.math.read.kinds import Words
from k15.graders.math.read.tokens import GREEK, TEXT

TEXTS = re.compile(TEXT + r"\{([^{}]*)\}")
RUN = re.compile(r"[^\W\d_]+")
LETTERS_OF_FORMULAS = re.compile("[A-Za-z\u0370-\u03ff]+")  # Latin and Greek
PLAIN = re.compile(r"[^\W\d_](?:[^\W_]|[ ',.!?-])*")
NO_WORDS = re.compile(r"[\\{}^_=<>+]|^\W*\d|^\(?[A-Z]\)?$|(?<![A-Za-z])[a-z] ?- ?\d")
SHORT = frozenset(["no", "on", "it", "up", "ok", "go", "in", "us", "we", "he", "me", "is", "so"])
ROMAN = re.compile(r"[IVX]+|X[LC]|L[XVI]+")
CONSTANTS = GREEK | {"\\pi"}
COMMAND = re.compile(r"\\[A-Za-z]+|\\circled\{\d+\}|[<>=]")
CHOICES = re.compile(r"[A-H]{3,6}")
BRACKETED = re.compile(r"^\(([A-Z]{2,})\)$")
ARTICLE = re.compile(r"(?:[Tt]he|[Aa]n|a) (?=\w\w)")


def words_of(text: str) -> Words | None:
    r"""`\text{odd}`, `Evelyn`, 无解, `\square`; None for an expression and for a letter alone."""
    if COMMAND.fullmatch(text.strip()) and text.strip() not in CONSTANTS:
        return Words(text.strip())
    if re.search("[(),]", TEXTS.sub("", text)) and not PLAIN.fullmatch(text):
        return None
    plain = BRACKETED.sub(r"\1", TEXTS.sub(r" \1 ", text).strip())
    if len(plain) < 2 and not (plain.isalpha() and is_word(plain)):
        return None
    if plain == text and not PLAIN.fullmatch(text):
        return None
    if (plain == text or RUN.fullmatch(plain)) and not any(map(is_word, RUN.findall(plain))):
        return None
    return None if NO_WORDS.search(plain) or not RUN.search(plain) else Words(spelled(plain))


def product_in_text(text: str) -> str | None:
    r"""The letters of `\text{ab}` where they are no word; None for anything else."""
    wrapped = TEXTS.fullmatch(text)
    run = RUN.fullmatch(wrapped[1].strip(" ()")) if wrapped else None
    return run[0] if run and not is_word(run[0]) and run[0] != text else None


def is_word(run: str) -> bool:
    """Whether letters side by side are a word and no product of symbols.

    Letters of other scripts than Latin and Greek are, and more than three. Of three, if they are
    capitals, the name of a function, or have a vowel among them: but a, b, c, x, y and z are what
    symbols are called. Of two, some words that answers are, and Roman numerals.
    """
    if not LETTERS_OF_FORMULAS.fullmatch(run) or len(run) > 3 or run in functions.NAMES:
        return True
    if len(run) < 3:
        return len(run) == 2 and (run.lower() in SHORT or bool(ROMAN.fullmatch(run)))
    if run.isupper() or run.istitle():
        return True
    return not set("aeiou").isdisjoint(run) and not set(run) <= set("abcxyz")


def spelled(words: str) -> str:
    """Without case, punctuation, a leading article and the s of a plural.

    The choices of a question with several right ones stay capitals, see `choices`.
    """
    if choices(words):
        return words
    words = re.sub(r"[\W_]+", " ", words).strip()
    return " ".join(map(singular, ARTICLE.sub("", words, count=1).casefold().split()))


def choices(letters: str) -> bool:
    """Whether it names choices, and no figure and no word: capitals with a gap, as in ACD."""
    gap = CHOICES.fullmatch(letters) and ord(max(letters)) - ord(min(letters)) >= len(letters)
    return bool(gap) and len(set(letters)) == len(letters)


def singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] not in "su" else word
