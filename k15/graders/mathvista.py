"""MathVista's official rule: extraction, normalisation, string equality.

    response ─ quick rules ─► extraction ─ normalise ─► equal to the answer, as a string
                   └─► else a model is asked, or, where there is none, rules of ours

github.com/lupantech/MathVista, evaluation/{extract_answer,calculate_score}.py. The rules of ours
are `rule_extraction` alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from k15.graders.base import Grader, Verdict
from k15.graders.choices import LETTERS, WINDOW, chosen
from k15.graders.math.extract.answers import extract, prepared
from k15.graders.math.extract.claims import Claim, claims
from k15.tasks.thoughts import conclusion

if TYPE_CHECKING:
    from k15.types import Problem

Extract = Callable[[str], str]
"""A model that is asked for the answer in a response: prompt -> what it says."""

QUICK = re.compile(r'The answer is "(.*)"\.')
MINUS = r"(?:(?<![\w)])[-−–])?"
NUMBER = re.compile(
    rf"{MINUS}\d{{1,3}}(?:(?:,|\{{,\}}|\\,)\d{{3}})+(?!\d)(?:\.\d+)?|{MINUS}\d+(?:\.\d+)?|{MINUS}\.\d+"
)
BRACKETED = re.compile(r"\(([A-Za-z])\)")
LIST = re.compile(r"\[[^\[\]]*\]")
BOLD = re.compile(r"\*\*(.+?)\*\*")
WHOLE = 100  # characters up to which a response can be the answer itself
EXAMPLES = """\
Read the examples. Then write down the answer that the last response gives, and nothing else.

Hint: Please answer the question requiring an integer answer and provide the final value, \
e.g., 1, 2, 3, at the end.
Question: How many bars are taller than 20?

Model response: Three of the bars end above the line at 20: the red, the green and the blue one.

Extracted answer: 3

Hint: Please answer the question requiring a floating-point number with one decimal place and \
provide the final value, e.g., 1.2, 1.3, 1.4, at the end.
Question: What part of the circle is shaded?

Model response: Two of the four equal sectors are grey, so one half of the circle is shaded.

Extracted answer: 0.5

Hint: Please answer the question requiring a Python list as an answer and provide the final list, \
e.g., [1, 2, 3], [1.2, 1.3, 1.4], at the end.
Question: In which two years were the most cars sold?

Model response: The two highest points of the curve are at 1998 and at 2004.

Extracted answer: [1998, 2004]

Hint: Please answer the question and provide the correct option letter, e.g., A, B, C, D, \
at the end.
Question: Which angle is the largest?
Choices:
(A) the one at P
(B) the one at Q
(C) they are equal

Model response: All sides have the same length, so that no angle is larger than another.

Extracted answer: C"""


class MathVistaGrader(Grader):
    """Problems with `meta` as `k15.evaluation.benchmarks.mathvista` makes it."""

    def __init__(
        self,
        *,
        extract: Extract | None = None,
        given: Mapping[tuple[str, str], str] | None = None,
        examples: str = EXAMPLES,
        ignore_empty: bool = False,
    ) -> None:
        """Say how answers are found.

        Args:
            extract: a model that is asked where the quick rules find no answer; None: our rules.
            given: by problem id and response, what such a model said already.
            examples: what the model is shown.
            ignore_empty: an empty response to a multiple-choice question is wrong; False, as the
                official scorer has it by default, takes the shortest choice.
        """
        self.extract, self.given = extract, given or {}
        self.examples, self.ignore_empty = examples, ignore_empty

    def grade(self, problem: Problem, response: str) -> Verdict:
        """String equality of the normalised extraction and the answer."""
        said, found = self.extraction(problem, response)
        prediction = normalise(said, problem.meta)
        if self.ignore_empty and not said.strip():
            prediction, found = None, "none"
        correct = prediction == problem.answer
        return Verdict(correct=correct, extracted=prediction, how="official rule", found=found)

    def extraction(self, problem: Problem, response: str) -> tuple[str, str]:
        """The answer in a response, and how it was found."""
        said = self.given.get((problem.id, response))
        if said is not None:
            return said, "given extraction"
        quick = quick_extraction(conclusion(response), problem.meta)
        choices = problem.meta["choices"]
        if quick in choices:  # by its letter: "(b)" may be the text of the third choice
            return f"({LETTERS[choices.index(quick)]})", "as it is"
        if quick is not None:
            return quick, "as it is"
        if self.extract is None:
            return rule_extraction(response, problem.meta)
        prompt = extraction_prompt(problem.meta["query"], response, self.examples)
        return self.extract(prompt).strip(), "extraction model"


def quick_extraction(response: str, meta: Mapping[str, Any]) -> str | None:
    """An answer that needs no model: empty, a choice, a whole number, `The answer is "..."`."""
    if not response.strip() or response in meta["choices"]:
        return response.strip()
    number = {"integer": int, "float": float}.get(meta["answer_type"])
    if number and _parses(response, number):
        return str(number(response))
    end = response[-WINDOW:]
    match = QUICK.search(end) if '".' in end else None  # else each start is tried in vain
    return match[1] if match else None


def extraction_prompt(query: str, response: str, examples: str = EXAMPLES) -> str:
    """What the extraction model is asked."""
    return f"{examples}\n\n{query}\n\n{response}\n\nExtracted answer: "


def rule_extraction(response: str, meta: Mapping[str, Any]) -> tuple[str, str]:
    r"""The answer by rules of ours, where no model is asked, and which rule found it.

    What is claimed last, in a `\boxed{}` or a closing phrase; else the last letter, number or list,
    in bold if one is; else the only choice that is named; else the response itself if it is short.
    """
    response = conclusion(response)[-WINDOW:]
    if meta["question_type"] == "multi_choice":
        choice = chosen(response, meta["choices"])
        if choice.text is not None:
            return f"({choice.text})", choice.how
        return _whole(extract(response).text or response)
    text = prepared(response)
    pattern = LIST if meta["answer_type"] == "list" else NUMBER
    for claim in claims(text):
        if found := pattern.findall(claim.text.partition("\n")[0]):
            return _spelled(found[_place(claim)], meta), claim.how
    for part, how in ((" ".join(BOLD.findall(response)), "bold"), (text, "last number")):
        if found := pattern.findall(part):
            return _spelled(found[-1], meta), how
    return _whole(response)


def normalise(extraction: str, meta: Mapping[str, Any]) -> str | None:
    """An extraction in the form of the answers; None if it has no such form."""
    if meta["question_type"] == "multi_choice":
        return _choice(extraction.strip(), meta["choices"])
    try:
        if meta["answer_type"] == "integer":
            return str(int(float(extraction)))
        if meta["answer_type"] == "float":
            return str(round(float(extraction), meta["precision"]))
    except (ValueError, OverflowError):
        return None
    return extraction


def _choice(extraction: str, choices: Sequence[str]) -> str:
    """By letter, else the choice with the smallest edit distance."""
    bracketed = BRACKETED.search(extraction)
    letter = bracketed[1].upper() if bracketed else extraction
    if len(letter) == 1 and letter in LETTERS[: len(choices)]:
        return choices[LETTERS.index(letter)]
    return min(choices, key=lambda choice: distance(letter, choice))


def distance(left: str, right: str) -> int:
    """Levenshtein distance in characters."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        previous, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (a != b))
    return row[-1]


def _parses(text: str, number: Callable[[str], object]) -> bool:
    try:
        number(text)
    except (ValueError, OverflowError):
        return False
    return True


def _place(claim: Claim) -> int:
    """Which number of a claim counts: of "the answer is 3, because 5 - 2 = 3" the first one."""
    return 0 if claim.part == "start" else -1


def _spelled(found: str, meta: Mapping[str, Any]) -> str:
    """A number or list as Python writes it."""
    found = re.sub("[−–]", "-", found)
    return found if meta["answer_type"] == "list" else re.sub(r"[^-\d.]", "", found)


def _whole(response: str) -> tuple[str, str]:
    text = response.strip()
    return (text, "whole") if len(text) <= WHOLE else ("", "none")
