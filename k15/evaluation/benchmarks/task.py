"""The held-out problems of a procedural task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from k15.config.errors import ConfigError
from k15.evaluation.benchmark import Benchmark
from k15.graders.base import Verdict
from k15.graders.math.extract.answers import extract
from k15.tasks.base import Task
from k15.tasks.thoughts import conclusion
from k15.types import Problem


class TaskBenchmark(Benchmark):
    """Problems that no training has seen, graded by the task's own check.

    Nothing is written behind a question: the stages before have not shown such words.
    """

    groups = ("level",)
    instructions: ClassVar[dict[str, str]] = {"direct": "", "cot": ""}

    def __init__(self, task: Task, *, size: int = 400, **asking: Any) -> None:
        """`size` different questions of the held-out split, the first that `stage=rl` asks."""
        self.name = task.name
        super().__init__(**asking)
        if size < 1:
            raise ConfigError(f"benchmark {self.name}: size={size} must be at least 1")
        self.task, self.size = task, size

    def problems(self) -> Sequence[Problem]:
        """The same for the same task and seed."""
        numbers = self.task.held_out(self.size, f"benchmark.{self.name}.size")
        made = (self.task.problem(number, "held_out") for number in numbers)
        return [replace(p, meta={**p.meta, "level": str(p.difficulty)}) for p in made]

    def grade(self, problem: Problem, response: str) -> Verdict:
        """The task's check; what votes is the box, or all that stands behind the reasoning."""
        box = extract(response)
        extracted = box.text or conclusion(response) or None
        correct = self.task.check(problem, response)
        return Verdict(correct=correct, extracted=extracted, how=f"{self.name}'s check")
