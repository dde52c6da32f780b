"""What the judge deals in: a test makes a trial of a program, its outcome makes a verdict."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from k15.graders.base import GraderFailure, Verdict
from k15.sandbox.protocol import Input, Language, Outcome, Program


class Checkers(Protocol):
    """Runs of checkers in the sandbox."""

    def run(self, checker: Program, given: Input) -> Outcome:
        """One run."""
        ...

    def remembered(self, checker: Program, given: Input) -> Outcome:
        """The same, for what many programs lead to: it is run once."""
        ...


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of one program, and what its outcome means."""

    program: Program
    input: Input
    verdict: Callable[[Outcome, Checkers], Verdict]
    output_bytes: int = 0
    """What a right program may write; the run's limit is at least that."""


@dataclass(frozen=True, kw_only=True)
class Case(ABC):
    """One test of a problem."""

    type: ClassVar[str]
    forgeable: ClassVar[bool] = False
    """Whether a program could report a pass of its own: such tests are for evaluation alone."""

    @abstractmethod
    def trial(self, source: str, language: Language) -> Trial:
        """What to run to test the program `source`."""


PASSED = Verdict(correct=1.0, how="passed")


def wrong(detail: str) -> Verdict:
    """The verdict on a run that ended well and did not do what it should."""
    return Verdict(correct=0.0, how="wrong answer", detail=detail)


def failed(outcome: Outcome) -> Verdict:
    """The verdict on a run that did not end by itself with exit status 0: `how` is its cause.

    Raises GraderFailure if the sandbox broke.
    """
    if outcome.cause == "infrastructure":
        raise GraderFailure(f"the sandbox broke: {outcome.detail}")
    return Verdict(correct=0.0, how=outcome.cause, detail=outcome.detail or ending(outcome.stderr))


def ending(output: bytes) -> str:
    """The last lines of an output, for a person."""
    return output[-500:].decode(errors="replace").strip()


def one_of(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless the field `name` has one of its values."""
    if value not in choices:
        raise ValueError(f"test: {name}={value!r}: choose one of {', '.join(choices)}")


def is_text(name: str, value: object) -> None:
    """Raise ValueError unless the field `name` is a text that can be written to a file."""
    if not isinstance(value, str):
        raise ValueError(f"test: {name}={value!r} must be a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"test: {name} is not valid Unicode: {error}") from error


def compiles(name: str, code: str) -> None:
    """Raise ValueError unless the field `name` is a Python program."""
    is_text(name, code)
    try:
        compile(code, name, "exec")
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"test: {name} is no Python: {error}") from error
