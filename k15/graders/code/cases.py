"""The formats of `Problem.tests`: what each one runs, and how its outcome becomes a verdict.

    {"type": "stdin",   "input": "2 3\\n", "output": "5\\n"}        comparison, tolerance, checker
    {"type": "call",    "function": "add", "arguments": [2, 3], "output": 5}     alternatives, ...
    {"type": "assert",  "code": "assert add(2, 3) == 5", "entry_point": "add"}   prelude
    {"type": "program", "code": "int main() { assert(add(2, 3) == 5); }"}        head, files

docs/code.md describes each field. Nothing of this is believed because the program says so: expected
outputs stay outside the sandbox, asserts run in a process that the program cannot reach (see
`asserts`). Only "program" tests share a process with the program: it could forge
those, so they are for evaluation, not for training.
"""

from __future__ import annotations

import json
import secrets
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar

from k15.graders.base import GraderFailure, Verdict
from k15.graders.code.asserts.program import tester_program
from k15.graders.code.compare import COMPARISONS, Comparison, plain_value, same_output, same_value
from k15.graders.code.trial import (
    PASSED,
    Case,
    Run,
    Trial,
    compiles,
    ending,
    failed,
    one_of,
    wrong,
)
from k15.sandbox.protocol import LANGUAGES, Input, Language, Outcome, Program

TESTER = tester_program()

PRINTS: Mapping[Language, tuple[str, int]] = {
    "python": ("print({!r})", 0),
    "cpp": ("std::cout << {} << std::endl;", 1),
    "java": ("System.out.println({});", 2),
    "csharp": ("Console.WriteLine({});", 2),
    "javascript": ("console.log({})", 0),
    "typescript": ("console.log({})", 0),
    "php": ("echo {};", 0),
    "bash": ("echo {}", 0),
}
"""How a language prints, and how many closing braces of the tests come after the last assert."""


@dataclass(frozen=True, kw_only=True)
class StdinCase(Case):
    """The program reads `input` and writes `output`."""

    type: ClassVar[str] = "stdin"
    input: str
    output: str = ""
    comparison: Comparison = "tokens"
    tolerance: float = 1e-6
    checker: str | None = None
    """A program that decides instead: it is given the paths of the input, the output and the
    expected output; exit status 0 accepts, 1 and 2 (as in testlib) refuse.
    """
    checker_language: Language = "python"

    def __post_init__(self) -> None:
        one_of("comparison", self.comparison, COMPARISONS)
        one_of("checker_language", self.checker_language, LANGUAGES)

    def trial(self, source: str, language: Language) -> Trial:
        program = Program(source=source, language=language)
        return Trial(program, Input(stdin=self.input.encode()), self._verdict)

    def _verdict(self, outcome: Outcome, run: Run) -> Verdict:
        if outcome.cause != "ok":
            return failed(outcome)
        if self.checker is not None:
            return self._checked(outcome.stdout, run)
        right = same_output(outcome.stdout, self.output.encode(), self.comparison, self.tolerance)
        return PASSED if right else wrong(f"printed {outcome.stdout[:200]!r}")

    def _checked(self, output: bytes, run: Run) -> Verdict:
        assert self.checker is not None
        program = Program(source=self.checker, language=self.checker_language)
        files = {"input": self.input.encode(), "output": output, "answer": self.output.encode()}
        outcome = run(program, Input(arguments=tuple(files), files=files))
        if outcome.cause == "ok":
            return PASSED
        if outcome.cause == "crash" and outcome.exit in (1, 2):
            return wrong(ending(outcome.stdout + outcome.stderr))
        raise GraderFailure(f"the checker ended by {outcome.cause}: {failed(outcome).detail}")


@dataclass(frozen=True, kw_only=True)
class TesterCase(Case):
    """A test of the functions of a Python program, run in the sandbox by `asserts`."""

    prelude: str = ""
    """Python that runs before the program in its namespace: imports that the statement gives."""

    def __post_init__(self) -> None:
        compiles("prelude", self.prelude)

    @abstractmethod
    def request(self) -> dict[str, Any]:
        """What the tester is to do once the program is loaded."""

    @abstractmethod
    def reply(self, status: str, payload: str) -> Verdict:
        """What the tester's report means."""

    def trial(self, source: str, language: Language) -> Trial:
        if language != "python":
            raise ValueError(f"tests of type {self.type!r} are for Python, not for {language}")
        nonce = secrets.token_hex(16)
        request = {"nonce": nonce, "program": source, "prelude": self.prelude, **self.request()}
        stdin = json.dumps(request).encode() + b"\n"

        def verdict(outcome: Outcome, run: Run) -> Verdict:
            return self._verdict(outcome, nonce)

        return Trial(TESTER, Input(stdin=stdin), verdict)

    def _verdict(self, outcome: Outcome, nonce: str) -> Verdict:
        lines = [
            line.partition(" ") for line in outcome.stdout.decode(errors="replace").split("\n")
        ]
        said = [rest.partition(" ") for word, _, rest in lines if word == nonce]
        reports = {status: payload for status, _, payload in said}
        if "broken" in reports:
            raise GraderFailure(f"the test could not be run: {reports['broken']}")
        if "started" not in reports and outcome.cause in ("ok", "crash"):
            raise GraderFailure(f"the test did not start: {failed(outcome).detail}")
        if outcome.cause != "ok":
            return failed(outcome)
        status = next((status for status in reports if status != "started"), "")
        return self.reply(status, reports.get(status, ""))


@dataclass(frozen=True, kw_only=True)
class CallCase(TesterCase):
    """`function(*arguments)` returns `output`; a method of a class Solution counts, too."""

    type: ClassVar[str] = "call"
    function: str
    arguments: list[Any]
    output: Any
    alternatives: list[Any] = field(default_factory=list)
    """Other values that are right, too."""
    tolerance: float = 0.0

    def request(self) -> dict[str, Any]:
        return {"function": self.function, "arguments": self.arguments}

    def reply(self, status: str, payload: str) -> Verdict:
        if status != "returned":
            return wrong(payload or "ended without an answer")
        try:
            value = plain_value(json.loads(payload))
            accepted = (self.output, *self.alternatives)
            right = any(same_value(value, wanted, self.tolerance) for wanted in accepted)
        except Exception as error:  # the program may have written anything
            return wrong(f"returned {payload[:200]}: {error}")
        return PASSED if right else wrong(f"returned {payload[:200]}")


@dataclass(frozen=True, kw_only=True)
class AssertCase(TesterCase):
    """`code` runs to its end without an exception.

    It sees the program's functions through proxies; `entry_point` names those it is about, which
    hide a builtin function of the same name.
    """

    type: ClassVar[str] = "assert"
    code: str
    entry_point: str | list[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        compiles("code", self.code)

    def request(self) -> dict[str, Any]:
        names = [self.entry_point] if isinstance(self.entry_point, str) else self.entry_point
        return {"code": self.code, "names": names}

    def reply(self, status: str, payload: str) -> Verdict:
        return PASSED if status == "passed" else wrong(payload)


@dataclass(frozen=True, kw_only=True)
class ProgramCase(Case):
    """`head`, the program and `code` form one program, which runs to the end of `code`.

    The program could forge this: it shares the process with the tests.
    """

    type: ClassVar[str] = "program"
    code: str
    head: str = ""
    files: Mapping[str, str] = field(default_factory=dict)

    def trial(self, source: str, language: Language) -> Trial:
        nonce = secrets.token_hex(16)
        text = f"{self.head}{source}\n{printing_at_the_end(self.code, nonce, language)}\n"
        files = {name: content.encode() for name, content in self.files.items()}

        def verdict(outcome: Outcome, run: Run) -> Verdict:
            if outcome.cause != "ok":
                return failed(outcome)
            ended = nonce.encode() in outcome.stdout.split()
            return PASSED if ended else wrong("ended before its tests did")

        return Trial(Program(source=text, language=language, files=files), Input(), verdict)


def printing_at_the_end(code: str, nonce: str, language: Language) -> str:
    """`code`, with one statement more: it prints `nonce` once every assert has held."""
    template, braces = PRINTS[language]
    statement = template.format(f'"{nonce}"' if language != "python" else nonce)
    if not braces:
        return f"{code}\n{statement}"
    cut = len(code)
    for _ in range(braces):
        cut = code.rindex("}", 0, cut)
    return f"{code[:cut]}{statement}\n{code[cut:]}"


CASES: dict[str, type[Case]] = {
    case.type: case for case in (StdinCase, CallCase, AssertCase, ProgramCase)
}


def read_case(test: Mapping[str, Any]) -> Case:
    """The test that a mapping describes.

    Raises ValueError naming the field that is wrong, missing or unknown.
    """
    kind = test.get("type")
    one_of("type", kind, tuple(CASES))
    case = CASES[str(kind)]
    known = {item.name: item for item in fields(case)}
    given = {name: value for name, value in test.items() if name != "type"}
    required = {
        name
        for name, item in known.items()
        if item.default is MISSING and item.default_factory is MISSING
    }
    if unknown := given.keys() - known.keys():
        raise ValueError(f"{kind} test: {', '.join(sorted(unknown))}: no such field")
    if missing := required - given.keys():
        raise ValueError(f"{kind} test: {', '.join(sorted(missing))} is missing")
    return case(**given)
