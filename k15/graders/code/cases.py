"""The formats of `Problem.tests`: what each one runs, and how its outcome becomes a verdict.

    {"type": "stdin",   "input": "2 3\\n", "output": "5\\n"}        comparison, tolerance, checker
    {"type": "call",    "function": "add", "arguments": [2, 3], "output": 5}     alternatives, ...
    {"type": "assert",  "code": "assert add(2, 3) == 5", "entry_point": "add"}   prelude
    {"type": "program", "code": "int main() { assert(add(2, 3) == 5); }"}        head, files

docs/code.md describes each field. Nothing of this is believed because the program says so: expected
outputs stay outside the sandbox, asserts run in a process that the program cannot reach (see
`asserts`). Only "program" tests share a process with the program: it could forge
those, so they are for evaluation, not for training. A test that every program passes, or none, is
refused when it is read.
"""

from __future__ import annotations

import json
import secrets
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar

from k15.graders.base import GraderFailure, Verdict
from k15.graders.code import soundness
from k15.graders.code.asserts.program import tester_program
from k15.graders.code.asserts.values import encode
from k15.graders.code.compare import COMPARISONS, Comparison, plain_value, same_output, same_value
from k15.graders.code.joined import ProgramCase
from k15.graders.code.trial import (
    PASSED,
    Case,
    Checkers,
    Trial,
    compiles,
    ending,
    failed,
    is_text,
    one_of,
    wrong,
)
from k15.sandbox.protocol import LANGUAGES, Input, Language, Outcome, Program

TESTER = tester_program()

MOST_BYTES_PER_CHARACTER = 16
"""That the encoding of a value takes, for each of its JSON: `[1]` may come as {"tuple": [1]}."""
SPARE_BYTES = 2**16
"""What a program may write beside the expected output: white space, and messages on stderr."""
AFTER_PRELUDE = """\
for _path in "prelude.py", "program.py":
    with open(_path, encoding="utf-8") as _file:
        _code = compile(_file.read(), _path, "exec", dont_inherit=True)
    exec(_code)
"""


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

    prelude: str = ""
    """Python that runs before a Python program, in its namespace: what a runner imports for it."""

    def __post_init__(self) -> None:
        one_of("comparison", self.comparison, COMPARISONS)
        one_of("checker_language", self.checker_language, LANGUAGES)
        is_tolerance(self.tolerance)
        is_text("input", self.input)
        is_text("output", self.output)
        compiles("prelude", self.prelude)
        if self.checker is not None:
            is_text("checker", self.checker)
        elif not self.output.strip():
            raise ValueError(
                f"test: output={self.output!r}: a program that prints nothing would pass; expect "
                "an output, or name a checker"
            )

    def trial(self, source: str, language: Language) -> Trial:
        program = Program(source=source, language=language)
        if self.prelude and language == "python":
            files = {"prelude.py": self.prelude.encode(), "program.py": source.encode()}
            program = Program(source=AFTER_PRELUDE, files=files)
        room = SPARE_BYTES + 2 * len(self.output.encode())
        return Trial(program, Input(stdin=self.input.encode()), self._verdict, room)

    def _verdict(self, outcome: Outcome, checkers: Checkers) -> Verdict:
        if outcome.cause != "ok":
            return failed(outcome)
        if self.checker is not None:
            return self._checked(outcome.stdout, checkers)
        right = same_output(outcome.stdout, self.output.encode(), self.comparison, self.tolerance)
        return PASSED if right else wrong(f"printed {outcome.stdout[:200]!r}")

    def _checked(self, output: bytes, checkers: Checkers) -> Verdict:
        """A checker that breaks says that the output is wrong, if the expected one does not break
        it.
        """
        outcome = checkers.run(*self._question(output))
        if outcome.cause == "ok":
            return PASSED
        detail = ending(outcome.stdout + outcome.stderr)
        if is_refusal(outcome):
            return wrong(detail)
        failed(outcome)  # raises if it was the sandbox
        control = checkers.remembered(*self._question(self.output.encode()))
        if control.cause == "ok" or is_refusal(control):
            return wrong(f"the checker ended by {outcome.cause}: {detail}")
        raise GraderFailure(f"the checker ended by {control.cause}: {failed(control).detail}")

    def _question(self, output: bytes) -> tuple[Program, Input]:
        assert self.checker is not None
        program = Program(source=self.checker, language=self.checker_language)
        files = {"input": self.input.encode(), "output": output, "answer": self.output.encode()}
        return program, Input(arguments=tuple(files), files=files)


@dataclass(frozen=True, kw_only=True)
class TesterCase(Case):
    """A test of the functions of a Python program, run in the sandbox by `asserts`."""

    prelude: str = ""
    """Python whose names program and asserts find: the imports that the statement gives."""

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

        def verdict(outcome: Outcome, checkers: Checkers) -> Verdict:
            return self._verdict(outcome, nonce)

        return Trial(TESTER, Input(stdin=stdin), verdict, self.output_bytes())

    def output_bytes(self) -> int:
        """What the tester may report of a right program."""
        return SPARE_BYTES

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

    def __post_init__(self) -> None:
        super().__post_init__()
        is_tolerance(self.tolerance)
        if not (isinstance(self.function, str) and self.function.isidentifier()):
            raise ValueError(f"test: function={self.function!r} must be the name of a function")
        if not isinstance(self.arguments, list | tuple):
            raise ValueError(f"test: arguments={self.arguments!r} must be a list")
        if not same_value(plain_value(encode(self.output, refuse)), self.output):
            raise ValueError(f"test: output={self.output!r} is not equal to itself")

    def request(self) -> dict[str, Any]:
        return {"function": self.function, "arguments": encode([*self.arguments], refuse)}

    def output_bytes(self) -> int:
        values = (encode(value, refuse) for value in (self.output, *self.alternatives))
        return SPARE_BYTES + MOST_BYTES_PER_CHARACTER * max(len(json.dumps(v)) for v in values)

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

    It finds builtins, the prelude's names and its own; of the program it finds what `entry_point`
    names, through proxies.
    """

    type: ClassVar[str] = "assert"
    code: str
    entry_point: str | list[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        compiles("code", self.code)
        if fault := soundness.fault(self.code, self.prelude, self.names):
            raise ValueError(f"test: code: {fault}")

    @property
    def names(self) -> tuple[str, ...]:
        return (self.entry_point,) if isinstance(self.entry_point, str) else (*self.entry_point,)

    def request(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "names": self.names,
            "in_place": soundness.changes_arguments(self.code, self.names),
            "nan": soundness.mentions_nan(self.code),
        }

    def reply(self, status: str, payload: str) -> Verdict:
        return PASSED if status == "passed" else wrong(payload)


def is_refusal(outcome: Outcome) -> bool:
    """Whether a checker says that the output is wrong."""
    return outcome.cause == "crash" and outcome.exit in (1, 2)


def is_tolerance(value: float) -> None:
    """Raise ValueError unless numbers can be told apart by it."""
    if not (isinstance(value, int | float) and 0 <= value < 1):  # from 1 on 0 is close to all
        raise ValueError(f"test: tolerance={value!r} must be a number from 0 up, and below 1")


def refuse(value: object) -> Any:
    raise ValueError(f"test: {value!r} is no plain value")


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
