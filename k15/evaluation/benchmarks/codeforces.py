"""Contest problems, of which one of several programs is chosen by a vote (k1.5 App. C).

    programs ─ run on inputs that the model wrote itself ─► outputs ─► the most frequent ones win

Programs that print the same vote for the same answer, so that maj@k is the share of problems that
the chosen program solves. The report measures percentiles of live Codeforces rounds, which nobody
can measure offline.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import Any, ClassVar

from k15.evaluation.benchmarks.code import PROGRAM, CodeBenchmark, with_meta
from k15.graders.base import GraderFailure, Verdict
from k15.graders.code import suites
from k15.markdown import blocks, code_block
from k15.problems.rows import Names, Row
from k15.sandbox.protocol import Input, Outcome, Program
from k15.types import Problem

WriteInputs = Callable[[str], str]
"""A model that is asked for test inputs: prompt -> its response."""

ASK = """\
{statement}

Write {count} inputs that a correct program must handle and that tell wrong programs from right \
ones, small ones and special cases among them. Write each of them in a block of its own between \
``` and ```, without its output."""
SHOWN = 20  # characters of an output in `extracted`


class Codeforces(CodeBenchmark):
    """Rows of code_contests, or of APPS."""

    name = "codeforces"
    groups = ("difficulty",)
    instructions: ClassVar[dict[str, str]] = dict(PROGRAM)
    FIELDS: ClassVar[Names] = {
        "id": ("problem_id", "name"),
        "statement": ("question", "description"),
        "difficulty": ("cf_rating", "difficulty"),
    }
    NEEDED = (
        "the fields name, description, public_tests, private_tests, generated_tests of "
        "code_contests, or problem_id, question, input_output, starter_code of APPS"
    )

    def __init__(
        self,
        path: str,
        *,
        inputs: int = 5,
        write_inputs: WriteInputs | None = None,
        **code: Any,
    ) -> None:
        """Read nothing yet.

        Args:
            path: as in `RecordBenchmark`.
            inputs: how many are asked for.
            write_inputs: the model; None: programs vote by the examples of the statement alone.
            code: of `CodeBenchmark`.
        """
        super().__init__(path, **code)
        self.inputs, self.write_inputs = inputs, write_inputs
        self._written: dict[str, list[str]] = {}
        self._writing = Lock()

    def problem(self, row: Row) -> Problem | None:
        """Statement and tests; None for problems that call a function instead of reading stdin."""
        if row.get("public_tests") is not None:
            problem = self.converted(row, contest, ("name", "description"))
        else:
            problem = self.converted(row, suites.apps, ("question",))
        if any(test["type"] != "stdin" for test in problem.tests):
            return None
        public = row.get("public_tests")
        examples = list(public["input"]) if public else [problem.tests[0]["input"]]
        return with_meta(problem, examples=examples, difficulty=row.get("difficulty"))

    def program(self, problem: Problem, response: str) -> str | None:
        """The last fenced block, or all of a response without one."""
        return code_block(response, require_fence=False)

    def grade(self, problem: Problem, response: str) -> Verdict:
        """As any program; what is extracted is what it prints, because that votes."""
        verdict = super().grade(problem, response)
        if verdict.extracted is None:
            return verdict
        return replace(verdict, extracted=self.behaviour(problem, verdict.extracted))

    def same(self, one: str, other: str) -> bool:
        """By the digest of the outputs."""
        return one.partition(":")[0] == other.partition(":")[0]

    def behaviour(self, problem: Problem, program: str) -> str | None:
        """A digest of what a program prints on the inputs, then the first words of it.

        None if it ends by itself on none of them: such a program does not vote.
        """
        given = [Input(stdin=text.encode()) for text in self.inputs_of(problem)]
        runs = self.judge.sandbox.run(Program(source=program), given, self.judge.limits)
        outputs = [printed(outcome) for outcome in runs]
        if not any(outputs):
            return None
        digest = hashlib.sha256(repr(outputs).encode()).hexdigest()[:12]
        return f"{digest}: " + " | ".join((output or "-")[:SHOWN] for output in outputs)

    def inputs_of(self, problem: Problem) -> list[str]:
        """What all programs of a problem are run on; the model is asked once per problem."""
        examples = problem.meta["examples"]
        if self.write_inputs is None:
            return examples
        with self._writing:
            if problem.id not in self._written:
                statement = problem.prompt[-1]["content"]
                response = self.write_inputs(ASK.format(statement=statement, count=self.inputs))
                self._written[problem.id] = fenced(response)[: self.inputs]
        return [*examples, *self._written[problem.id]]


def contest(row: Mapping[str, Any]) -> Problem:
    """A row of code_contests, all its tests together."""
    tests = [
        {"type": "stdin", "input": given, "output": wanted, "comparison": "float"}
        for kind in ("public_tests", "private_tests", "generated_tests")
        for given, wanted in zip(*pairs(row.get(kind)), strict=True)
        if wanted.strip()  # a program that prints nothing would pass
    ]
    return suites.problem(row["name"], row["description"], tests)


def pairs(tests: Mapping[str, Sequence[str]] | None) -> tuple[Sequence[str], Sequence[str]]:
    """Inputs and outputs of one kind of tests."""
    if not tests:
        return (), ()
    if isinstance(tests["input"], str) or isinstance(tests["output"], str):
        raise ValueError("input and output must be lists of texts")
    return tests["input"], tests["output"]


def printed(outcome: Outcome) -> str | None:
    """The words that a run printed; None if it did not end well or printed nothing.

    Raises GraderFailure if the sandbox broke.
    """
    if outcome.cause == "infrastructure":
        raise GraderFailure(f"the sandbox broke: {outcome.detail}")
    if outcome.cause != "ok":
        return None
    return " ".join(outcome.stdout.decode(errors="replace").split()) or None


def fenced(response: str) -> list[str]:
    """The contents of all closed blocks."""
    return [block.text for block in blocks(response) if block.closed]
