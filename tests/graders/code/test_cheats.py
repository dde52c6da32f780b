"""No cheat is called right, and none breaks the judge."""

from collections.abc import Iterable, Iterator

import pytest

from k15.graders.code.judge import Judge
from k15.sandbox.local import LocalSandbox
from k15.sandbox.protocol import Limits, Sandbox
from tests.graders.code.cheated import HONEST, HONEST_STDIN, TESTS
from tests.graders.code.cheats import CHEATS

LIMITS = Limits(cpu_seconds=0.5, wall_seconds=2.0, memory_mib=256)
FEW = {
    "assert": ("plainly", "all of a map", "against sorted", "by its length and items"),
    "call": ("a list", "a prelude"),
    "stdin": ("tokens", "brittle"),
    "program": ("asserts",),
}
"""Tests that every cheat is tried on in seconds."""
ALL = [(form, name) for form in CHEATS for name in CHEATS[form]]
"""The slow tests take every third or fifth of them: all would take a quarter of an hour."""


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    sandbox = LocalSandbox()
    yield Judge(sandbox, LIMITS)
    sandbox.close()


@pytest.mark.parametrize("form", TESTS)
def test_the_honest_program_passes_every_test(judge: Judge, form: str) -> None:
    source = HONEST_STDIN if form == "stdin" else HONEST
    verdicts = judge.verdicts(source, list(TESTS[form].values()))
    wrong = {name: v for name, v in zip(TESTS[form], verdicts, strict=True) if not v.correct}
    assert wrong == {}


@pytest.mark.parametrize(("form", "name"), ALL)
def test_no_cheat_passes(judge: Judge, form: str, name: str) -> None:
    assert won(judge, form, name, FEW[form]) == []


@pytest.mark.slow
@pytest.mark.parametrize(("form", "name"), ALL[::3])
def test_no_cheat_passes_any_test(judge: Judge, form: str, name: str) -> None:
    assert won(judge, form, name, TESTS[form]) == []


@pytest.mark.slow
@pytest.mark.parametrize(("form", "name"), ALL[::15])
def test_nor_on_any_sandbox(backends: tuple[str, Sandbox], form: str, name: str) -> None:
    assert won(Judge(backends[1], LIMITS), form, name, FEW[form]) == []


def won(judge: Judge, form: str, name: str, tests: Iterable[str]) -> list[str]:
    """The tests that the cheat passes; raises GraderFailure where it breaks the judge."""
    names, found, limits = list(tests), [], 0
    verdicts = judge.verdicts(CHEATS[form][name], [TESTS[form][test] for test in names])
    for test, verdict in zip(names, verdicts, strict=False):
        found += [test] if verdict.correct else []
        limits += verdict.how in ("cpu", "wall", "memory")
        if limits == 2:  # one that never answers would take minutes for all of them
            break
    return found
