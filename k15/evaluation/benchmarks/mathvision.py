"""MATH-Vision (github.com/mathllm/MATH-V): competition problems with a figure."""

from __future__ import annotations

from typing import Any, ClassVar

from k15.evaluation.benchmark import Verdict
from k15.evaluation.benchmarks.math import Verified
from k15.evaluation.benchmarks.pictures import MissingImages, PictureBenchmark
from k15.evaluation.benchmarks.records import Names, Row, identity
from k15.graders.choices import LETTERS, chosen, conclusion, listed
from k15.records import level_of
from k15.types import Problem


class MathVision(PictureBenchmark, Verified):
    """Graded by the option letter where there are options, else by mathematical equivalence."""

    name = "mathvision"
    groups = ("subject", "level", "question_type")
    instructions: ClassVar[dict[str, str]] = {
        "direct": "Give the final answer only, within \\boxed{}; of options the letter alone.",
        "cot": "Please reason step by step, and put your final answer within \\boxed{}; "
        "of options the letter alone.",
    }
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
        **source: Any,
    ) -> None:
        """Read nothing yet.

        Args:
            path: as in `RecordBenchmark`.
            split: likewise; testmini has 304 of the 3,040 problems.
            missing_images: as in `PictureBenchmark`.
            source: of `PictureBenchmark` and `Verified`.
        """
        super().__init__(path, split=split, missing_images=missing_images, **source)

    def problem(self, row: Row) -> Problem:
        """Question and options, the picture where its tag stands.

        Raises ValueError for an answer that is not the letter of an option, or not readable.
        """
        question, options, answer = row.text("question"), row.texts("options"), row.answer()
        option = None
        if not options:
            self.check(answer, row)
        elif answer in LETTERS[: len(options)]:
            text = options[LETTERS.index(answer)]
            option = None if self.refusal(text) else text
        else:
            letters = ", ".join(LETTERS[: len(options)])
            raise row.fault("answer", f"must be the letter of an option ({letters})")
        level = level_of(row.get("level"))
        return Problem(
            id=identity(row),
            prompt=({"role": "user", "content": f"{question}\n{listed(options)}".strip()},),
            answer=answer,
            domain="vision",
            difficulty=level,
            meta={
                "choices": options,
                "option": option,
                "level": str(level),
                "subject": row.text("subject"),
                "question_type": "multi_choice" if options else "free_form",
            },
        )

    def grade(self, problem: Problem, response: str) -> Verdict:
        """By letter, by the option's text, else by equivalence with what the option says."""
        options = problem.meta["choices"]
        if not options:
            return super().grade(problem, response)
        letter, how = chosen(response, options)
        option = problem.meta["option"]  # None where it is no formula, as "the picture on the left"
        if letter is not None or option is None:
            return Verdict(correct=float(letter == problem.answer), extracted=letter, how=how)
        found = self.verify(conclusion(response), option)
        return Verdict(correct=found.correct, extracted=found.extracted, how=f"option, {found.how}")

    def vote(self, extracted: str) -> str:
        """Letters as they are, other answers as numbers."""
        return extracted if extracted in LETTERS else super().vote(extracted)
