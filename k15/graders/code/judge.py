"""The judge: runs a program on its tests and says which ones it passes.

tests ─► trials ─► sandbox, one run per test ─► outcomes ─► verdicts, found outside the sandbox
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from itertools import groupby
from typing import cast

from k15.graders.base import Verdict
from k15.graders.code.trial import Case, Trial
from k15.sandbox.protocol import Input, Language, Limits, Outcome, Program, Sandbox

LONGEST = 2**20  # characters of a program; a longer one is wrong without being run


class Judge:
    """Judges programs; callable from any thread.

    Example: `Judge(sandbox).fraction("print(input())", [StdinCase(input="1", output="1")])`
    """

    def __init__(self, sandbox: Sandbox, limits: Limits = Limits()) -> None:
        """`limits` hold for each test on its own."""
        self.sandbox = sandbox
        self.limits = limits
        self.checkers = SandboxCheckers(sandbox, limits)

    def verdicts(
        self, source: str, cases: Sequence[Case], language: Language = "python"
    ) -> Generator[Verdict, None, None]:
        """One verdict per test, found when it is asked for.

        Raises:
            GraderFailure: the sandbox, a checker or a test broke.
            ValueError: the sandbox has no toolchain for the language, or a test is not for it.
        """
        if reason := refusal(source):
            yield from (Verdict(correct=0.0, how="compile", detail=reason) for _ in cases)
            return
        trials = (case.trial(source, language) for case in cases)
        for program, group in groupby(trials, key=lambda trial: trial.program):
            yield from self._run(program, list(group))

    def first_failure(
        self, source: str, cases: Sequence[Case], language: Language = "python"
    ) -> Verdict | None:
        """The verdict on the first test that the program fails; runs none after it."""
        with closing(self.verdicts(source, cases, language)) as verdicts:
            return next((verdict for verdict in verdicts if not verdict.correct), None)

    def passes(self, source: str, cases: Sequence[Case], language: Language = "python") -> bool:
        """Whether the program passes every test; runs none after the first that it fails."""
        return self.first_failure(source, cases, language) is None

    def fraction(self, source: str, cases: Sequence[Case], language: Language = "python") -> float:
        """The share of tests that the program passes."""
        return sum(v.correct for v in self.verdicts(source, cases, language)) / len(cases)

    def _run(self, program: Program, trials: Sequence[Trial]) -> Generator[Verdict, None, None]:
        room = max(self.limits.output_bytes, *(trial.output_bytes for trial in trials))
        limits = replace(self.limits, output_bytes=room)
        runs = self.sandbox.run(program, (trial.input for trial in trials), limits)
        with closing(cast(Generator[Outcome, None, None], runs)):
            for trial, outcome in zip(trials, runs, strict=True):
                yield trial.verdict(outcome, self.checkers)


class SandboxCheckers:
    """See `k15.graders.code.trial.Checkers`."""

    def __init__(self, sandbox: Sandbox, limits: Limits) -> None:
        self.sandbox = sandbox
        self.limits = limits
        self._outcomes: dict[str, Outcome] = {}

    def run(self, checker: Program, given: Input) -> Outcome:
        [outcome] = self.sandbox.run(checker, [given], self.limits)
        return outcome

    def remembered(self, checker: Program, given: Input) -> Outcome:
        key = sha256(repr((checker, given)).encode()).hexdigest()
        if key not in self._outcomes:
            outcome = self.run(checker, given)
            if outcome.cause == "infrastructure":
                return outcome
            self._outcomes[key] = outcome
        return self._outcomes[key]


def refusal(source: str) -> str:
    """Why a program is wrong without being run; empty if it is not."""
    if len(source) > LONGEST:
        return f"{len(source)} characters, at most {LONGEST} are run"
    if "\0" in source:
        return "it contains NUL characters"
    try:
        source.encode()
    except UnicodeEncodeError as error:
        return f"it is not valid Unicode: {error}"
    return ""
