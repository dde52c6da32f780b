"""Answers with the letter of a choice: `(A) 12` is A where the reference is a letter, else 12."""

from __future__ import annotations

import re
from collections.abc import Callable

LABEL = re.compile(
    r"\(([A-J])\)(?::\s*(\S.*)|\s*([^-+*/^=():].*))|([A-J])[.:)]\s*(\S.*)", re.DOTALL
)
LETTER = re.compile(r"(?:\\text[a-z]*\{|\\math[a-z]+\{)?\(?([A-Ja-j])[.)]?\}?")


def labelled(answer: str, gold: str, decide: Callable[[str, str], bool | None]) -> bool | None:
    """`decide` on what stands behind the labels, after the letters have been compared.

    A letter with brackets is a label in either case, `(B)` is b; one without is so as a capital.
    """
    letter, answer_behind = parts(answer)
    gold_letter, gold_behind = parts(gold)
    if not gold_behind and not answer_behind:
        if letter and gold_letter and "(" in gold + answer:
            return letter.upper() == gold_letter.upper()
        return decide(answer, gold)
    capital = gold_behind or gold.isupper() or len(gold) > 1
    if letter and gold_letter and capital:
        same = letter.upper() == gold_letter.upper()
        return (
            decide(answer_behind, gold_behind) if same and answer_behind and gold_behind else same
        )
    return decide(answer_behind or answer, gold_behind or gold)


def parts(text: str) -> tuple[str | None, str | None]:
    """The letter and what stands behind it; None where there is no such thing."""
    if label := LABEL.fullmatch(text):
        return label[1] or label[4], label[2] or label[3] or label[5]
    letter = LETTER.fullmatch(text)
    return (letter[1], None) if letter else (None, None)
