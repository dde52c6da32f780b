"""What the judge deals in: a test makes a trial of a program, its outcome makes a verdict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from k15.sandbox.protocol import Cause, Input, Language, Outcome, Program


class JudgeFailure(RuntimeError):
    """The sandbox, a checker or a test broke; that says nothing about the program."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the program passed one test."""

    passed: bool
    cause: Cause
    """How the run ended; "ok" and not passed is a wrong answer."""
    detail: str = ""
    """For a person: the assertion that failed, the end of stderr."""


Run = Callable[[Program, Input], Outcome]
"""One more run in the sandbox, for a checker."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of one program, and what its outcome means."""

    program: Program
    input: Input
    verdict: Callable[[Outcome, Run], Verdict]


@dataclass(frozen=True, kw_only=True)
class Case(ABC):
    """One test of a problem."""

    type: ClassVar[str]

    @abstractmethod
    def trial(self, source: str, language: Language) -> Trial:
        """What to run to test the program `source`."""


def failed(outcome: Outcome) -> Verdict:
    """The verdict on a run that did not end by itself with exit status 0."""
    if outcome.cause == "infrastructure":
        raise JudgeFailure(f"the sandbox broke: {outcome.detail}")
    return Verdict(False, outcome.cause, outcome.detail or ending(outcome.stderr))


def ending(output: bytes) -> str:
    """The last lines of an output, for a person."""
    return output[-500:].decode(errors="replace").strip()


def one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless the field `name` has one of its values."""
    if value not in choices:
        raise ValueError(f"test: {name}={value!r}: choose one of {', '.join(choices)}")


def compiles(name: str, code: str) -> None:
    """Raise ValueError unless the field `name` is a Python program."""
    try:
        compile(code, name, "exec")
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"test: {name} is no Python: {error}") from error
