"""Problems with one answer, compared by mathematical equivalence.

AIME 2024 and 2025, MATH-500, AMC 2023, GSM8K, CMATH (k1.5 §3, App. C).
"""

from __future__ import annotations

from typing import Any, ClassVar

from k15.evaluation.benchmarks.graded import QuestionBenchmark
from k15.graders.math.grader import MathGrader
from k15.graders.math.verifier import Extraction
from k15.problems.golds import behind_mark
from k15.problems.rows import Row


class MathBenchmark(QuestionBenchmark):
    """A file or data set of problems with answers; also for one of your own."""

    integer_range: ClassVar[tuple[int, int] | None] = None
    """The lowest and the highest answer there can be, where all are whole numbers."""

    def __init__(
        self, path: str, *, extraction: Extraction = "free", workers: int = 2, **source: Any
    ) -> None:
        r"""Start nothing yet.

        Args:
            path: as in `RecordBenchmark`.
            extraction: "free" also reads answers outside a `\boxed{}`; "boxed" does not.
            workers: processes of the verifier.
            source: of `QuestionBenchmark`.
        """
        grader = MathGrader(
            extraction=extraction, workers=workers, integer_range=self.integer_range
        )
        super().__init__(path, grader=grader, **source)


class Aime(MathBenchmark):
    """The American Invitational Mathematics Examination: answers are integers from 0 to 999."""

    integer_range = (0, 999)

    def gold(self, row: Row) -> str:
        """Without leading zeros."""
        answer = row.answer()
        return answer.lstrip("0") or "0" if answer.isdigit() else answer


class Gsm8k(MathBenchmark):
    """Word problems whose answer stands behind "####" (openai/grade-school-math)."""

    def gold(self, row: Row) -> str:
        """What stands behind the mark."""
        return behind_mark(row, "answer", row.answer())


class Cmath(MathBenchmark):
    """Chinese word problems of the first six grades; `level` is the grade."""

    instructions: ClassVar[dict[str, str]] = {
        "direct": "不要写出过程，只给出最终答案，并将其放在\\boxed{}中。",
        "cot": "请一步一步地推理，并将最终答案放在\\boxed{}中。",
    }
