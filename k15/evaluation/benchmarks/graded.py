"""Benchmarks whose responses a grader of its own right grades, as a reward may, too."""

from __future__ import annotations

from typing import Any, ClassVar

from k15.evaluation.benchmarks.records import RecordBenchmark
from k15.graders.base import Grader, Verdict
from k15.problems.golds import gold
from k15.problems.rows import Names, Row
from k15.types import Problem


class GradedBenchmark(RecordBenchmark):
    """Hands every question about a response to `grader`."""

    def __init__(self, path: str, *, grader: Grader, **source: Any) -> None:
        """`source` is that of `RecordBenchmark`."""
        super().__init__(path, **source)
        self.grader = grader

    def grade(self, problem: Problem, response: str) -> Verdict:
        return self.grader.grade(problem, response)

    def check(self, problem: Problem) -> None:
        self.grader.check(problem)

    def same(self, one: str, other: str) -> bool:
        return self.grader.same(one, other)

    def start(self) -> None:
        self.grader.start()

    def close(self) -> None:
        self.grader.close()

    def checked(self, problem: Problem, row: Row) -> Problem:
        """The problem; raises ValueError with place and field if it cannot be graded."""
        try:
            self.check(problem)
        except ValueError as error:
            raise row.fault("answer", f"cannot be a reference: {error}") from error
        return problem


class QuestionBenchmark(GradedBenchmark):
    """A file or data set of questions with answers, and any grader."""

    FIELDS: ClassVar[Names] = {
        "id": ("unique_id", "id", "ID"),
        "problem": ("problem", "question", "Problem"),
        "answer": ("answer", "golden", "Answer"),
        "level": ("level", "grade"),
        "subject": ("subject", "type"),
    }

    def __init__(
        self, path: str, *, name: str, grader: Grader, groups: Any = (), **source: Any
    ) -> None:
        """Read nothing yet.

        Args:
            path: as in `RecordBenchmark`.
            name: as it stands in tables.
            grader: of the responses.
            groups: "level", "subject" or neither: how scores are shown apart.
            source: of `RecordBenchmark`.
        """
        self.name = name
        self.groups = tuple(groups)  # type: ignore[misc]
        super().__init__(path, grader=grader, **source)

    def problem(self, row: Row) -> Problem:
        """Question, answer and level.

        Raises ValueError for an answer that cannot serve as a reference.
        """
        subject = row.get("subject")
        level = row.level()
        meta = {"level": None if level is None else str(level), "subject": subject}
        problem = Problem(
            id=row.identity(row.number),
            prompt=({"role": "user", "content": row.text("problem")},),
            answer=self.gold(row),
            difficulty=level,
            meta={key: value for key, value in meta.items() if value is not None},
        )
        return self.checked(problem, row)

    def gold(self, row: Row) -> str:
        """The reference answer of a record."""
        return gold(row)
