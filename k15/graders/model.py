"""Responses graded by a model that runs in a process of its own.

    question, reference, G responses ──► server: one batch ──► G verdicts

The server is a worker of `k15.graders.workers`, running `k15.graders.judge_server`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k15.graders.base import Grader, GraderFailure, Verdict
from k15.graders.workers import WorkerPool
from k15.tasks.judging import question_of

if TYPE_CHECKING:
    from k15.types import Problem

ROOT = Path(__file__).parents[2]  # where k15 is imported from, in the server, too
GRACE = 10.0  # seconds in which the server's engine may end its own processes
SERVER = (
    f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
    "from k15.graders.judge_server import main; main()"
)


class ModelGrader(Grader):
    """Right is what the model finds right: by a value head, or by a chain of thought."""

    def __init__(
        self,
        judge: Mapping[str, Any],
        *,
        threshold: float | None = 0.5,
        threads: int = 1,
        deadline_seconds: float = 300.0,
    ) -> None:
        """Start nothing yet.

        Args:
            judge: node of a function of `k15.graders.judges`, with the model's `path`.
            threshold: probability above which a response is correct; None: `Verdict.correct` is
                the probability itself.
            threads: torch threads of the server.
            deadline_seconds: a server silent for so long has broken.
        """
        if threshold is not None and not 0 <= threshold < 1:
            raise ValueError(f"threshold={threshold} must be in [0, 1), or null")
        self.path, self.threshold = judge["path"], threshold
        options = {"threads": threads, "judge": dict(judge)}
        command = (sys.executable, "-P", "-c", SERVER, json.dumps(options))
        self._server = WorkerPool(
            command, size=1, wall_seconds=deadline_seconds, grace_seconds=GRACE
        )

    def start(self) -> None:
        self._server.start()

    def close(self) -> None:
        self._server.close()

    def check(self, problem: Problem) -> None:
        question_of(problem)

    def grade(self, problem: Problem, response: str) -> Verdict:
        return self.grade_all(problem, [response])[0]

    def grade_all(
        self, problem: Problem, responses: Sequence[str], *, threads: int = 1
    ) -> list[Verdict]:
        """All in one request; raises GraderFailure if one of them got no verdict."""
        request = {
            "question": question_of(problem),
            "reference": problem.answer,
            "responses": list(responses),
        }
        reply = self._server.call(request)
        if "refused" in reply:
            raise GraderFailure(f"reward model {self.path}: {reply['refused']}")
        return [self._verdict(judged) for judged in reply["verdicts"]]

    def _verdict(self, judged: Mapping[str, Any]) -> Verdict:
        if "failure" in judged:
            raise GraderFailure(f"reward model {self.path}: {judged['failure']}")
        probability = judged["correct"]
        correct = probability if self.threshold is None else float(probability > self.threshold)
        return Verdict(correct=correct, how=judged["how"], detail=judged["detail"])
