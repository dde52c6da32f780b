"""MathVista as it is asked officially; graded by its official rule (`k15.graders.mathvista`).

Queries: github.com/lupantech/MathVista, evaluation/build_query.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from k15.evaluation.benchmarks.graded import GradedBenchmark
from k15.evaluation.benchmarks.pictures import MissingImages, PictureBenchmark
from k15.graders.choices import listed
from k15.graders.mathvista import EXAMPLES, Extract, MathVistaGrader, normalise
from k15.problems.records import read_records
from k15.problems.rows import Names, Row
from k15.types import Problem

QUESTION_TYPES = ("multi_choice", "free_form")
SHAPES = {
    "text": "the question and provide the correct option letter, e.g., A, B, C, D, at the end",
    "integer": "the question requiring an integer answer and provide the final value, "
    "e.g., 1, 2, 3, at the end",
    "float 1": "the question requiring a floating-point number with one decimal place and provide "
    "the final value, e.g., 1.2, 1.3, 1.4, at the end",
    "float 2": "the question requiring a floating-point number with two decimal places and provide "
    "the final value, e.g., 1.23, 1.34, 1.45, at the end",
    "list": "the question requiring a Python list as an answer and provide the final list, "
    "e.g., [1, 2, 3], [1.2, 1.3, 1.4], at the end",
}


class MathVista(PictureBenchmark, GradedBenchmark):
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
            extract: as in `MathVistaGrader`.
            extractions: a file of records with `pid`, `response` and `extraction`: what such a
                model said of these responses.
            examples: a file with the examples that it is shown; None: ours. The official ones are
                in evaluation/prompts/ext_ans.py.
            ignore_empty: as in `MathVistaGrader`.
            missing_images: as in `PictureBenchmark`.
            source: of `PictureBenchmark`.
        """
        grader = MathVistaGrader(
            extract=extract,
            given=None if extractions is None else read_extractions(extractions),
            examples=EXAMPLES if examples is None else Path(examples).read_text("utf-8").strip(),
            ignore_empty=ignore_empty,
        )
        super().__init__(path, split=split, missing_images=missing_images, grader=grader, **source)

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
        answer = row.answer()
        if not isinstance(row.get("answer"), str):  # a number: 2.0 is "2.0" to one decimal
            answer = normalise(answer, meta) or answer
        return Problem(
            id=row.answer("id"),
            prompt=({"role": "user", "content": meta["query"]},),
            answer=answer,
            domain="vision",
            meta=meta,
        )


def query(row: Row) -> str:
    """The official query: hint, question with its unit, choices."""
    answer_type = row.text("answer_type")
    shape = answer_type
    if answer_type == "float":
        shape = f"float {int(row.get('precision') or 0)}"
    if row.text("question_type") == "multi_choice":
        shape = "text"
    if shape not in SHAPES:
        raise row.fault("answer_type", f"{shape!r}: must be one of {', '.join(SHAPES)}")
    unit = f" (Unit: {row.get('unit')})" if row.get("unit") else ""
    row.text("question")  # has to be there; the official query keeps the spaces around it
    lines = [f"Hint: Please answer {SHAPES[shape]}.", f"Question: {row.get('question')}{unit}"]
    if choices := row.texts("choices"):
        lines += ["Choices:", listed(choices)]
    return "\n".join(lines).strip()


def read_extractions(path: str) -> dict[tuple[str, str], str]:
    """Extraction by pid and response; raises ValueError naming line and field."""
    rows = read_records(path, "", {"id": ("pid",)}, setting="benchmark.mathvista.extractions")
    keys = [(row.answer("id"), row.verbatim("response")) for row in rows]
    return {key: row.verbatim("extraction") for key, row in zip(keys, rows, strict=True)}
