"""MMMU (mmmu-benchmark.github.io): college questions of 30 subjects, often with several pictures.

The validation split has 900 questions, most of them multiple choice.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from k15.evaluation.benchmarks.graded import GradedBenchmark
from k15.evaluation.benchmarks.pictures import MissingImages, PictureBenchmark
from k15.graders.choices import LETTERS, listed
from k15.graders.mmmu import MMMUGrader
from k15.problems.pictures import TAG
from k15.problems.rows import Names, Row
from k15.types import Problem

SUBJECTS = (
    "Accounting", "Agriculture", "Architecture_and_Engineering", "Art", "Art_Theory",
    "Basic_Medical_Science", "Biology", "Chemistry", "Clinical_Medicine", "Computer_Science",
    "Design", "Diagnostics_and_Laboratory_Medicine", "Economics", "Electronics",
    "Energy_and_Power", "Finance", "Geography", "History", "Literature", "Manage", "Marketing",
    "Materials", "Math", "Mechanical_Engineering", "Music", "Pharmacy", "Physics", "Psychology",
    "Public_Health", "Sociology",
)  # fmt: skip


class MMMU(PictureBenchmark, GradedBenchmark):
    """Graded by letter; open questions by a number to two decimals, or by words."""

    name = "mmmu"
    groups = ("subject", "question_type", "difficulty")
    instructions: ClassVar[dict[str, str]] = {
        "direct": "Give the final answer only; of options the letter alone.",
        "cot": "Please reason step by step, and put your final answer within \\boxed{}; "
        "of options the letter alone.",
    }
    FIELDS: ClassVar[Names] = {"picture": tuple(f"image_{number}" for number in range(1, 8))}
    NEEDED = "the fields id, question, options, answer, question_type, image_1 to image_7"

    def __init__(
        self,
        path: str,
        *,
        split: str = "validation",
        subjects: Sequence[str] | None = None,
        missing_images: MissingImages = "error",
        **source: Any,
    ) -> None:
        """Read nothing yet.

        Args:
            path: as in `RecordBenchmark`.
            split: likewise.
            subjects: those of the data set that are asked; None: all 30.
            missing_images: as in `PictureBenchmark`.
            source: of `PictureBenchmark`.
        """
        config = SUBJECTS if subjects is None else tuple(subjects)
        super().__init__(
            path,
            split=split,
            config=config,
            missing_images=missing_images,
            grader=MMMUGrader(),
            **source,
        )

    def problem(self, row: Row) -> Problem:
        """Question and options, pictures where `<image 1>` stands."""
        options = literal(row, "options") if row.get("options") else []
        name = row.answer("id")
        answers = literal(row, "answer") if _is_list(row.get("answer")) else [row.answer()]
        if not answers:
            raise row.fault("answer", "must not be empty")
        if options and answers[0] not in LETTERS[: len(options)]:
            raise row.fault("answer", f"must be the letter of one of {len(options)} options")
        return Problem(
            id=name,
            prompt=(
                {"role": "user", "content": f"{row.text('question')}\n{listed(options)}".strip()},
            ),
            answer=answers[0] if options else "; ".join(answers),
            domain="vision",
            meta={
                "choices": options,
                "answers": answers,
                "subject": re.sub(r"^[a-z]+_|_\d+$", "", name),
                "question_type": "multi_choice" if options else "open",
                "difficulty": str(row.get("topic_difficulty")),
            },
        )

    def pictures(self, row: Row) -> Sequence[Any]:
        """Those that question and options name, in this order; all of them if none is named."""
        content = f"{row.get('question')} {row.get('options')}"
        numbers = [int(number) for number in TAG.findall(content) if number]
        given = [i for i in range(1, 8) if row.get(f"image_{i}") is not None]
        if not given:
            raise row.fault("image_1", "must be a picture")
        if absent := [number for number in numbers if number not in given]:
            raise row.fault(f"image_{absent[0]}", "must be a picture, the question names it")
        return [row.get(f"image_{number}") for number in numbers or given]


def literal(row: Row, part: str) -> list[str]:
    """A list, or the text of a Python list as the data set stores it."""
    value = row.get(part)
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            raise row.fault(part, "must be a list of texts") from None
    return row.texts_of(part, value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | Mapping) or (isinstance(value, str) and value[:1] == "[")
