"""MMMU's rule: options by letter; open questions by a number to two decimals, or by words.

The official scorer draws an option at random where it finds none in a response; here that is
wrong, so that a score stays the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from k15.graders.base import Grader, Verdict
from k15.graders.choices import LETTERS, chosen, plain
from k15.graders.math.compare.exact import LONGEST, quietly_read
from k15.graders.math.extract.answers import extract_free, prepared
from k15.graders.math.extract.claims import Extraction, claims
from k15.graders.math.extract.statements import sentence_end
from k15.graders.math.normalise import normalise
from k15.graders.math.read.kinds import Equation, Quantity
from k15.tasks.thoughts import conclusion

if TYPE_CHECKING:
    from k15.types import Problem

WORD = re.compile(r"[^\W_]+")
DENIALS = {"not", "never", "cannot", "isn", "neither", "nor", "or"}


class MMMUGrader(Grader):
    """Problems with `meta["choices"]` by letter, others by the texts of `meta["answers"]`."""

    def grade(self, problem: Problem, response: str) -> Verdict:
        if options := problem.meta["choices"]:
            found = chosen(response, options)
            correct = found.text == problem.answer
            return Verdict(correct=correct, extracted=found.text, how="letter", found=found.how)
        return grade_open(response, problem.meta["answers"])

    def check(self, problem: Problem) -> None:
        options = problem.meta["choices"]
        if options and problem.answer not in LETTERS[: len(options)]:
            raise ValueError(f"must be the letter of one of {len(options)} options")

    def same(self, one: str, other: str) -> bool:
        """But for case and spaces."""
        return plain(one).lower() == plain(other).lower()


def grade_open(response: str, answers: Sequence[str]) -> Verdict:
    """Whether what a response states is one of the answers.

    A number is right if it is equal to two decimals, whatever its unit; a text if it occurs among
    the words of the sentence that states the answer, or of the last line.
    """
    expression, sentence = extract_free(response), stated(response)
    for answer in answers:
        value = number(answer)
        found = sentence if value is None else expression
        text = found.text or ""
        if number(text) == value if value is not None else holds(text, answer):
            how = "words" if value is None else "number"
            return Verdict(correct=True, extracted=text, how=how, found=found.how)
    found = expression if any(number(answer) is not None for answer in answers) else sentence
    return Verdict(correct=False, extracted=found.text, how="none of them", found=found.how)


def stated(response: str) -> Extraction:
    """The sentence that holds the last claim of a response, else its last line."""
    text = prepared(conclusion(response)).strip()
    for claim in claims(text):
        said = claim.text[: sentence_end(claim.text, 0)].strip()
        if said:
            return Extraction(said, claim.how)
    line = text.rpartition("\n")[2]
    return Extraction(line or None, "whole" if line else "none")


def number(text: str) -> Fraction | None:
    """The number that a text is, to two decimals; None if it is none, or no rational one."""
    if len(text) > LONGEST:
        return None
    reading = quietly_read(normalise(text))
    if isinstance(reading, Equation):
        reading = reading.right
    if not isinstance(reading, Quantity) or reading.value.rational is None:
        return None
    return round(Fraction(reading.value.rational), 2)


def holds(text: str, answer: str) -> bool:
    """Whether the words of an answer stand in a text, which does not deny them."""
    said = words(text)
    return words(answer) in said and not (DENIALS & set(said.split()) - set(words(answer).split()))


def words(text: str) -> str:
    return f" {' '.join(WORD.findall(plain(text).lower()))} "
