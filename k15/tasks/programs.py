"""Find the program: which operators, put for the question marks, turn the input into 12?

    prompt    " 5>12a=n?2;b=a?1;c=b?2;:"             5 becomes 12; the program with its gaps
    response  "<think>a=n+2; 7b=a-1; 6c=b+2; 8 no a=n+2; 7b=a-1; 6c=b*2; 12 yes</think>
              ```python
              for n in map(int,open(0)):a=n+2;b=a-1;c=b*2;print(c)
              ```"

A trial runs a program on the example, line by line. The program of the answer reads numbers, one
per line; it is tested on the example and then on inputs that the prompt does not show, so that
fitting the example by chance is not enough. Operators taken at random are right with probability
0.24 at level 1 and 0.10 at level 5: as in make24, accuracy is a matter of searching longer or of
guessing better. Every example leads to 12, so that a trial is short and its verdict is about one
number: with outputs of all kinds, some seeds of the small policy did not learn to copy what they
found into the answer, or when to say yes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise, product
from random import Random
from typing import Any

from k15.markdown import code_block
from k15.tasks.base import Task
from k15.types import Problem

VARIABLES = "nabcdef"  # each line computes the next one from the one before it
OPERATORS = {1: "+-", 2: "+-*", 3: "+-"}  # by operand: what its question mark may stand for
OPERANDS = (1, 2, 3)
INPUTS = range(2, 25)  # of the example
HIDDEN_INPUTS = (0, -7, 100, 12345)
TARGET = 12  # the output of every example
LARGEST = 48  # no choice of operators leads above it or below 0 on the example
LOOP = "for n in map(int,open(0)):"  # inputs come one per line
TO = f">{TARGET}"  # between the input and the program
OPEN, CLOSE = "\n```python\n", "\n```"
PROGRAM = re.compile(re.escape(LOOP) + r"((?:[a-f]=[na-f][+*-]\d;)*)print\(([na-f])\)\n")


class Programs(Task):
    """Level L has L + 1 lines; right is every program that passes the tests."""

    name = "programs"

    @property
    def words(self) -> tuple[str, ...]:
        """Lines with and without their operators, and values from 0 to 48; 122 words."""
        signs = [f"{sign}{k}" for k, operators in OPERATORS.items() for sign in f"?{operators}"]
        lines = [f"{new}={old}{sign};" for old, new in pairwise(VARIABLES) for sign in signs]
        values = [f" {number}" for number in range(LARGEST + 1)]
        ends = [f"print({name}){CLOSE}" for name in VARIABLES[1:]]
        marks = ("<think>", "</think>", " no", " yes", TO, ":", OPEN + LOOP)
        return (*marks, *ends, *lines, *values)

    def sample(self, rng: Random, level: int) -> Problem:
        """Drawn backwards from 12, until every value of every trial has a word."""
        if not 1 <= level < len(VARIABLES) - 1:
            highest = len(VARIABLES) - 2
            raise ValueError(f"task.levels: programs has levels 1 to {highest}, not {level}")
        while True:
            operands = tuple(rng.choice(OPERANDS) for _ in range(level + 1))
            operators = [rng.choice(OPERATORS[operand]) for operand in operands]
            given = leads_to_target(operators, operands)
            if given is not None and given in INPUTS and stays_within_words(operands, given):
                break
        right = write(operators, operands)
        question = f" {given}{TO}{''.join(write('?' * len(operands), operands))}:"
        return Problem(
            id="",
            prompt=({"role": "user", "content": question},),
            answer=source(right),
            domain="code",
            difficulty=level,
            tests=(stdin_test(right, [given]), stdin_test(right, HIDDEN_INPUTS)),
            meta={"input": given, "operands": operands},
        )

    def demonstrate(  # type: ignore[override]
        self, problem: Problem, rng: Random, *, max_trials: int = 4, give_up: float = 0.5
    ) -> str:
        """Tries operators in random order and answers the last program it tried: at most
        `max_trials`, and after a failed one it stops with probability `give_up`.
        """
        given, operands = problem.meta["input"], problem.meta["operands"]
        untried = list(product(*(OPERATORS[operand] for operand in operands)))
        rng.shuffle(untried)
        thought = ""
        for operators in untried[:max_trials]:
            lines = write(operators, operands)
            values = values_of(lines, given)
            steps = (f"{line} {value}" for line, value in zip(lines, values, strict=True))
            thought += "".join(steps) + (" yes" if values[-1] == TARGET else " no")
            if values[-1] == TARGET or rng.random() < give_up:
                break
        return f"<think>{thought}</think>{OPEN}{source(lines)}{CLOSE}"

    def check(self, problem: Problem, response: str) -> float:
        """1.0 if the program in the response's last fenced block is of this form and passes.

        Nothing is executed; of what the words can say it says what `rewards=code` says.
        """
        match = PROGRAM.fullmatch(code_block(response) or "")
        if match is None:
            return 0.0
        lines = match[1].replace(";", "; ").split()
        return float(all(passes(lines, match[2], test) for test in problem.tests))


def write(operators: Sequence[str], operands: Sequence[int]) -> list[str]:
    """The lines of a program: `+*` and 3, 2 give `a=n+3;` and `b=a*2;`."""
    steps = zip(pairwise(VARIABLES), operators, operands, strict=False)
    return [f"{new}={old}{operator}{operand};" for (old, new), operator, operand in steps]


def source(lines: Sequence[str]) -> str:
    """The whole program, which prints what the last line computes."""
    return f"{LOOP}{''.join(lines)}print({lines[-1][0]})"


def apply(operator: str, value: int, operand: int) -> int:
    """`value operator operand`."""
    if operator == "*":
        return value * operand
    return value + operand if operator == "+" else value - operand


def run(lines: Iterable[str], given: int) -> dict[str, int]:
    """The variables after the lines have run on an input; KeyError for one that is not set yet."""
    variables = {"n": given}
    for line in lines:
        variables[line[0]] = apply(line[3], variables[line[2]], int(line[4]))
    return variables


def values_of(lines: Iterable[str], given: int) -> list[int]:
    """The value that each line computes."""
    return list(run(lines, given).values())[1:]


def leads_to_target(operators: Sequence[str], operands: Sequence[int]) -> int | None:
    """The input that becomes 12; None where a product would have to be broken."""
    value = TARGET
    for operator, operand in zip(reversed(operators), reversed(operands), strict=True):
        if operator == "*" and value % operand:
            return None
        value = value // operand if operator == "*" else value - int(f"{operator}{operand}")
    return value


def stays_within_words(operands: Sequence[int], given: int) -> bool:
    """Whether no choice of operators leaves the values that have words."""
    reachable = {given}
    for operand in operands:
        reachable = {apply(o, value, operand) for o in OPERATORS[operand] for value in reachable}
        if min(reachable) < 0 or max(reachable) > LARGEST:
            return False
    return True


def stdin_test(lines: Sequence[str], inputs: Iterable[int]) -> dict[str, Any]:
    """One run of the program on all of these inputs."""
    answers = [(given, values_of(lines, given)[-1]) for given in inputs]
    columns = ["".join(f"{number}\n" for number in column) for column in zip(*answers, strict=True)]
    return {"type": "stdin", "input": columns[0], "output": columns[1]}


def passes(lines: Sequence[str], printed: str, test: Mapping[str, Any]) -> bool:
    """Whether the program prints what the test wants; one that uses an unset variable does not."""
    pairs = zip(test["input"].split(), test["output"].split(), strict=True)
    try:
        return all(run(lines, int(given))[printed] == int(wanted) for given, wanted in pairs)
    except KeyError:
        return False
