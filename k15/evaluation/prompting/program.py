"""The model writes a program, a sandbox runs it: execution is left to an interpreter.

Sprague et al. 2024 (arXiv 2409.12183): the gain of chain of thought is mostly in executing symbolic
steps; a model that plans and a solver that executes do better still.
"""

from __future__ import annotations

from functools import partial

from k15.evaluation.benchmark import Benchmark
from k15.evaluation.prompting.base import Ask, Prompting, Reply, Solving
from k15.graders.base import GraderFailure
from k15.markdown import code_block
from k15.questions import instructed
from k15.sandbox.protocol import Input, Limits, Outcome, Program, Sandbox
from k15.types import Problem

INSTRUCTION = (
    "Write a Python program that computes the answer and prints it, and nothing else, on its last "
    "line. Put the program into one ```python block."
)


class ProgramPrompting(Prompting):
    """What the program prints last is the boxed answer; a program that fails has none."""

    def __init__(
        self,
        *,
        sandbox: Sandbox,
        name: str = "program",
        instruction: str = INSTRUCTION,
        cpu_seconds: float = 10.0,
    ) -> None:
        self.name, self.instruction, self.sandbox = name, instruction, sandbox
        self.limits = Limits(cpu_seconds=cpu_seconds)

    def __enter__(self) -> ProgramPrompting:
        self.sandbox.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.sandbox.close()

    def solve(self, problem: Problem, benchmark: Benchmark) -> Solving:
        """Ask for a program, run it, box what it printed.

        Raises GraderFailure if the sandbox broke.
        """
        instruction = benchmark.instructions.get(self.name, self.instruction)
        (reply,) = yield [Ask(problem=instructed(problem, instruction))]
        source = code_block(reply.text)
        if source is None:
            return reply
        outcome = yield partial(self.run, source)
        return Reply(
            text=f"{reply.text}\n\n{written(outcome)}", tokens=reply.tokens, finish=reply.finish
        )

    def run(self, source: str) -> Outcome:
        """The program's outcome without input."""
        (outcome,) = self.sandbox.run(Program(source=source), [Input()], self.limits)
        if outcome.cause == "infrastructure":
            raise GraderFailure(f"the sandbox failed: {outcome.detail}")
        return outcome


def written(outcome: Outcome) -> str:
    """What is added to the response: the output, and its last line as the answer."""
    output = outcome.stdout.decode(errors="replace").strip()
    if outcome.cause != "ok" or not output:
        error = outcome.stderr.decode(errors="replace").strip()[-500:]
        return f"```output\n[{outcome.cause}] {error}\n```"
    answer = output.splitlines()[-1].strip()
    return f"```output\n{output[-2000:]}\n```\n\\boxed{{{answer}}}"
