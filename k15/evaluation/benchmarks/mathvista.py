"""MathVista by its official rule: query, extraction, normalisation, string equality.

    response ─ quick rules ─► extraction ─ normalise ─► equal to the answer, as a string
                   └─► else a model is asked, or, where there is none, rules of ours

Rule: github.com/lupantech/MathVista, evaluation/{build_query,extract_answer,calculate_score}.py.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from k15.evaluation.benchmarks.pictures import MissingImages, PictureBenchmark
from k15.graders.base import Verdict
from k15.graders.choices import LETTERS, conclusion
from k15.graders.mathvista import (
    EXAMPLES,
    extraction_prompt,
    normalise,
    query,
    quick_extraction,
    rule_extraction,
)
from k15.problems.records import read_records
from k15.problems.rows import Names, Row
from k15.types import Problem

Extract = Callable[[str], str]
"""A model that is asked for the answer in a response: prompt -> what it says."""
QUESTION_TYPES = ("multi_choice", "free_form")


class MathVista(PictureBenchmark):
    """Questions on figures, charts and photographs; testmini has 1,000."""

    name = "mathvista"
    groups = (
        *("task", "question_type", "answer_type", "category", "context", "grade"),
        *("skills", "language", "source"),
    )
    instructions: ClassVar[dict[str, str]] = {
        "direct": "Give the final answer only, without any reasoning.",
        "cot": "Please reason step by step, and put the final answer within \\boxed{}.",
    }
    FIELDS: ClassVar[Names] = {"id": ("pid",), "picture": ("decoded_image", "image")}
    NEEDED = (
        "the fields pid, question, image, choices, unit, precision, answer, question_type, "
        "answer_type, metadata (testmini.json of the MathVista repository)"
    )

    def __init__(
        self,
        path: str,
        *,
        split: str = "testmini",
        extract: Extract | None = None,
        extractions: str | None = None,
        examples: str | None = None,
        ignore_empty: bool = False,
        missing_images: MissingImages = "error",
        **source: Any,
    ) -> None:
        """Read nothing yet.

        Args:
            path: as in `RecordBenchmark`.
            split: likewise.
            extract: a model that is asked where the quick rules find no answer; None: our rules.
            extractions: a file of records with `pid`, `response` and `extraction`: what such a
                model said of these responses.
            examples: a file with the examples that it is shown; None: ours. The official ones are
                in evaluation/prompts/ext_ans.py.
            ignore_empty: an empty response to a multiple-choice question is wrong; False, as the
                official scorer has it by default, takes the shortest choice.
            missing_images: as in `PictureBenchmark`.
            source: of `PictureBenchmark`.
        """
        super().__init__(path, split=split, missing_images=missing_images, **source)
        self.extract, self.ignore_empty = extract, ignore_empty
        self.given = {} if extractions is None else read_extractions(extractions)
        self.examples = EXAMPLES if examples is None else Path(examples).read_text("utf-8").strip()

    def problem(self, row: Row) -> Problem:
        """Query behind picture; `meta` holds what the rule needs and the groups."""
        question_type, answer_type = row.text("question_type"), row.text("answer_type")
        if question_type not in QUESTION_TYPES:
            raise row.fault("question_type", f"must be {' or '.join(QUESTION_TYPES)}")
        meta = {
            "question_type": question_type,
            "answer_type": answer_type,
            "precision": row.whole("precision"),
            "choices": row.texts("choices"),
            "query": query(row),
            **{k: v for k, v in row.mapping("metadata").items() if k in self.groups},
        }
        if question_type == "multi_choice" and not meta["choices"]:
            raise row.fault("choices", "must list the choices of a multi_choice question")
        return Problem(
            id=row.answer("id"),
            prompt=({"role": "user", "content": meta["query"]},),
            answer=row.answer(),
            domain="vision",
            meta=meta,
        )

    def grade(self, problem: Problem, response: str) -> Verdict:
        """String equality of the normalised extraction and the answer."""
        found, how = self.extraction(problem, response)
        return self.grade_extraction(problem, found, how)

    def grade_extraction(self, problem: Problem, extraction: str, how: str = "given") -> Verdict:
        """The verdict on an answer that has been extracted already."""
        prediction = normalise(extraction, problem.meta)
        if self.ignore_empty and not extraction.strip():
            prediction, how = None, f"{how}, empty"
        return Verdict(correct=float(prediction == problem.answer), extracted=prediction, how=how)

    def extraction(self, problem: Problem, response: str) -> tuple[str, str]:
        """The answer in a response, and how it was found."""
        given = self.given.get((problem.id, response))
        if given is not None:
            return given, "given extraction"
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


def read_extractions(path: str) -> dict[tuple[str, str], str]:
    """Extraction by pid and response; raises ValueError naming line and field."""
    rows = read_records(path, "", {"id": ("pid",)}, setting="benchmark.mathvista.extractions")
    keys = [(row.answer("id"), row.verbatim("response")) for row in rows]
    return {key: row.verbatim("extraction") for key, row in zip(keys, rows, strict=True)}
