"""MATH-Vision (github.com/mathllm/MATH-V): competition problems with a figure."""

from __future__ import annotations

from typing import Any, ClassVar

from k15.evaluation.benchmarks.graded import GradedBenchmark
from k15.evaluation.benchmarks.pictures import MissingImages, PictureBenchmark
from k15.graders.choices import listed
from k15.graders.math.verifier import Extraction
from k15.graders.mathvision import MathVisionGrader
from k15.problems.rows import Names, Row
from k15.types import Problem


class MathVision(PictureBenchmark, GradedBenchmark):
    """Graded by the option letter where there are options, else by mathematical equivalence."""

    name = "mathvision"
    groups = ("subject", "level", "question_type")
    instructions: ClassVar[dict[str, str]] = {
        "direct": "Give the final answer only, within \\boxed{}; of options the letter alone.",
        "cot": "Please reason step by step, and put your final answer within \\boxed{}; "
        "of options the letter alone.",
    }
    composite = True
    FIELDS: ClassVar[Names] = {"picture": ("decoded_image", "image")}
    NEEDED = (
        "the fields id, question, options, answer, image, level, subject (test.jsonl of the "
        "MATH-V repository, images beside it)"
    )

    def __init__(
        self,
        path: str,
        *,
        split: str = "test",
        missing_images: MissingImages = "error",
        extraction: Extraction = "free",
        workers: int = 2,
        **source: Any,
    ) -> None:
        """Read nothing yet.

        Args:
            path: as in `RecordBenchmark`.
            split: likewise; testmini has 304 of the 3,040 problems.
            missing_images: as in `PictureBenchmark`.
            extraction: of `MathVerifier`.
            workers: likewise.
            source: of `PictureBenchmark`.
        """
        grader = MathVisionGrader(extraction=extraction, workers=workers)
        super().__init__(path, split=split, missing_images=missing_images, grader=grader, **source)

    def problem(self, row: Row) -> Problem:
        """Question and options, the picture where its tag stands.

        Raises ValueError for an answer that is not the letter of an option, or not readable.
        """
        question, options = row.text("question"), row.texts("options")
        level = row.level()
        problem = Problem(
            id=row.identity(row.number),
            prompt=({"role": "user", "content": f"{question}\n{listed(options)}".strip()},),
            answer=row.answer(),
            domain="vision",
            difficulty=level,
            meta={
                "choices": options,
                "level": str(level),
                "subject": row.text("subject"),
                "question_type": "multi_choice" if options else "free_form",
            },
        )
        return self.checked(problem, row)
