"""Programs graded by running them on tests in a sandbox: HumanEval, MBPP, and what they share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from k15.config.errors import ConfigError
from k15.evaluation.benchmarks.records import RecordBenchmark
from k15.graders.base import Verdict
from k15.graders.code import suites
from k15.graders.code.cases import read_case
from k15.graders.code.grader import CodeGrader, functions
from k15.graders.code.judge import Judge
from k15.markdown import code_block, defines
from k15.problems.rows import Row
from k15.sandbox.protocol import Language, Limits, Program, Sandbox
from k15.tasks.thoughts import conclusion
from k15.types import Problem

FUNCTION: Mapping[str, str] = {
    "direct": "Write the whole function with its imports in one ```{tag} block, and nothing else.",
    "cot": "Please reason step by step, then write the whole function with its imports in one "
    "```{tag} block.",
}
PROGRAM: Mapping[str, str] = {
    "direct": "Write the whole program in one ```python block, and nothing else.",
    "cot": "Please reason step by step, then write the whole program in one ```python block.",
}


class CodeBenchmark(RecordBenchmark):
    """Right is a program that passes all tests of its problem."""

    def __init__(
        self,
        path: str,
        *,
        sandbox: Sandbox,
        limits: Limits = Limits(),
        **source: Any,
    ) -> None:
        """Start nothing yet.

        Args:
            path: as in `RecordBenchmark`.
            sandbox: where programs run.
            limits: of one test.
            source: of `RecordBenchmark`.
        """
        super().__init__(path, **source)
        self.grader = CodeGrader(sandbox, limits=limits)

    @abstractmethod
    def program(self, problem: Problem, response: str) -> str | None:
        """The program in a response, None if there is none."""

    def grade(self, problem: Problem, response: str) -> Verdict:
        """Whether the program passes every test; stops at the first that it fails."""
        return self.grader.grade_program(problem, self.program(problem, conclusion(response)))

    def converted(
        self, row: Row, convert: Callable[[Mapping[str, Any]], Problem], texts: Sequence[str]
    ) -> Problem:
        """A row as `k15.graders.code.suites` turns it into a problem.

        Raises ValueError with place for a part of `texts` that is not there, and for tests that
        cannot be run.
        """
        for part in texts:
            row.text(part)
        try:
            problem = convert(row.record)
            for test in problem.tests:
                read_case(test)
        except (SyntaxError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise ConfigError(f"{row.place}: its tests cannot be used: {error!r}") from error
        if not problem.tests:
            raise ConfigError(f"{row.place}: it has no tests")
        return problem

    def languages(self) -> Sequence[Language]:
        """What the sandbox has to have a toolchain for."""
        return ("python",)

    @property
    def judge(self) -> Judge:
        """Who runs the programs."""
        return self.grader.judge

    def start(self) -> None:
        """Start the sandbox; raises ValueError saying what to install for a language it lacks."""
        self.grader.start()
        for language in self.languages():
            program = Program(source="", language=language)
            for _ in self.judge.sandbox.run(program, [], self.judge.limits):
                pass

    def close(self) -> None:
        self.grader.close()


class HumanEval(CodeBenchmark):
    """164 Python functions to complete (github.com/openai/human-eval)."""

    name = "humaneval"
    instructions: ClassVar[dict[str, str]] = {
        mode: text.format(tag="python") for mode, text in FUNCTION.items()
    }
    NEEDED = "the fields task_id, prompt, test, entry_point (HumanEval.jsonl.gz of its repository)"

    def problem(self, row: Row) -> Problem:
        """The signature with its docstring."""
        problem = self.converted(row, suites.humaneval, ("task_id", "prompt", "test"))
        return with_meta(problem, prompt=row.record["prompt"])

    def program(self, problem: Problem, response: str) -> str:
        """The function, or the prompt with a completion behind it."""
        [test] = problem.tests
        return python_function(problem.meta["prompt"], test["entry_point"], response)


class Mbpp(CodeBenchmark):
    """Short Python functions, described in a sentence and by their tests.

    `task_ids` are the official test split: 500 problems.
    """

    name = "mbpp"
    instructions = HumanEval.instructions
    NEEDED = "the fields task_id, text, code, test_list, test_setup_code (mbpp.jsonl)"

    def __init__(self, path: str, *, task_ids: Sequence[int] = (11, 510), **code: Any) -> None:
        """`task_ids`: the first and the last; `code`: of `CodeBenchmark`."""
        super().__init__(path, **code)
        self.first, self.last = task_ids

    def problem(self, row: Row) -> Problem | None:
        """Description and tests."""
        number = row.get("task_id")
        if not isinstance(number, int):
            raise row.fault("task_id", "must be a whole number")
        if not self.first <= number <= self.last:
            return None
        if not row.texts("test_list"):
            raise row.fault("test_list", "must list the tests")
        return self.converted(row, suites.mbpp, ("text", "code"))

    def program(self, problem: Problem, response: str) -> str | None:
        """The last fenced block that defines the function, or all of a response without one."""
        return code_block(response, require_fence=False, names=functions(problem))


def python_function(prompt: str, name: str, response: str) -> str:
    """What defines the function `name`: the likeliest program in the response that does, else the
    likeliest of all as a completion of `prompt`.
    """
    program = code_block(response, names=[name]) or response
    return program if defines(program, [name]) else prompt + program


def with_meta(problem: Problem, **meta: Any) -> Problem:
    """The problem with more in `meta`."""
    return replace(problem, meta={**problem.meta, **meta})
