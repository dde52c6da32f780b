"""Problems with one answer, compared by mathematical equivalence.

AIME 2024 and 2025, MATH-500, AMC 2023, GSM8K, CMATH (k1.5 §3, App. C).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from k15.evaluation.benchmark import Verdict
from k15.evaluation.benchmarks.records import Names, RecordBenchmark, Row, identity
from k15.graders.math.compare.exact import rational
from k15.graders.math.normalise import normalise
from k15.graders.math.verifier import Extraction, MathVerifier
from k15.records import level_of
from k15.types import Problem


class Verified(RecordBenchmark):
    """Graded by `MathVerifier`."""

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
            source: of `RecordBenchmark`.
        """
        super().__init__(path, **source)
        self.extraction = extraction
        self.verifier = MathVerifier(
            workers=workers, extraction=extraction, integer_range=self.integer_range
        )

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Whether the final answer is equivalent to the reference."""
        assert problem.answer is not None
        return self.verify(response, problem.answer)

    def verify(self, response: str, gold: str) -> Verdict:
        """The verifier's verdict; raises GraderFailure if it broke."""
        # boxed, so that the whole of it is the answer, whatever the extraction
        found = self.verifier.verify(response, self._whole(gold))
        return Verdict(correct=float(found.correct), extracted=found.extracted, how=found.how)

    def check(self, gold: str, row: Row) -> None:
        """Raise ValueError with place and field if `gold` cannot serve as a reference answer."""
        if reason := self.refusal(gold):
            raise row.fault("answer", f"cannot be a reference: {reason}")

    def refusal(self, gold: str) -> str:
        """Why an answer cannot serve as a reference; empty if it can."""
        try:
            self.verifier.check(self._whole(gold))
        except ValueError as error:
            return str(error)
        return ""

    def vote(self, extracted: str) -> str:
        """One spelling for equal numbers, and for what only looks different."""
        text = normalise(extracted)
        value = rational(text)
        return text if value is None else str(value)

    def __enter__(self) -> Self:
        self.verifier.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.verifier.close()

    def _whole(self, gold: str) -> str:
        return gold if self.extraction == "boxed" else f"\\boxed{{{gold}}}"


class MathBenchmark(Verified):
    """A file or data set of problems with answers; also for one of your own."""

    FIELDS: ClassVar[Names] = {
        "id": ("unique_id", "id", "ID"),
        "problem": ("problem", "question", "Problem"),
        "answer": ("answer", "golden", "Answer"),
        "level": ("level", "grade"),
        "subject": ("subject", "type"),
    }

    def __init__(self, path: str, *, name: str, groups: Sequence[str] = (), **grading: Any) -> None:
        """Read nothing yet.

        Args:
            path: as in `RecordBenchmark`.
            name: as it stands in tables.
            groups: "level", "subject" or neither: how scores are shown apart.
            grading: of `Verified`.
        """
        self.name = name
        self.groups = tuple(groups)  # type: ignore[misc]
        super().__init__(path, **grading)

    def problem(self, row: Row) -> Problem:
        """Question, answer and level.

        Raises ValueError for an answer that cannot serve as a reference.
        """
        answer = self.gold(row)
        self.check(answer, row)
        subject = row.get("subject")
        level = level_of(row.get("level"))
        meta = {"level": None if level is None else str(level), "subject": subject}
        return Problem(
            id=identity(row),
            prompt=({"role": "user", "content": row.text("problem")},),
            answer=answer,
            difficulty=level,
            meta={key: value for key, value in meta.items() if value is not None},
        )

    def gold(self, row: Row) -> str:
        """The reference answer of a record."""
        return row.answer()


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
        """What stands behind the last mark, without thousands separators."""
        _, mark, answer = row.answer().rpartition("####")
        if not mark or not answer.strip():
            raise row.fault("answer", 'must end in "#### " and the final answer')
        return answer.strip().replace(",", "")


class Cmath(MathBenchmark):
    """Chinese word problems of the first six grades; `level` is the grade."""

    instructions: ClassVar[dict[str, str]] = {
        "direct": "不要写出过程，只给出最终答案，并将其放在\\boxed{}中。",
        "cot": "请一步一步地推理，并将最终答案放在\\boxed{}中。",
    }
