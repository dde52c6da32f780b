"""From a problem with programs that solve it to its tests, or to the reason why it has none."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from k15.graders.code.cases import read_case
from k15.problems.test_generation.generators import inputs
from k15.problems.test_generation.observing import TOLERANCE, Interface, observed
from k15.problems.test_generation.rules import Output, Thresholds, agreed, passing
from k15.problems.test_generation.special import needs_special_judge
from k15.problems.test_generation.tasks import Task
from k15.sandbox.protocol import Sandbox

Stage = Literal["special judge", "few programs", "no generator", "few valid cases",
                "one output", "programs disagree", "kept"]  # fmt: skip
"""How far a problem came, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """What became of a problem."""

    id: str
    stage: Stage
    detail: str = ""
    generated: int = 0
    """Inputs that the generator printed."""
    valid: int = 0
    """Of them, those on whose output the programs agree."""
    passing: Sequence[bool] = ()
    """[programs] which of those that voted pass all valid cases."""
    tests: Sequence[dict[str, Any]] = field(default_factory=tuple)
    """As `Problem.tests`; empty unless the problem is kept."""


WriteGenerator = Callable[[Task], str | None]
"""Writes the generator program of a problem: a model, or a rule; None where it cannot."""


def generate(
    task: Task,
    write: WriteGenerator,
    sandbox: Sandbox,
    *,
    thresholds: Thresholds = Thresholds(),
) -> Generated:
    """Tests for one problem, or why there are none. Raises GraderFailure if the sandbox broke."""
    id, programs = task.problem.id, list(task.programs)[: thresholds.voters]
    if special := needs_special_judge(task.problem):
        return Generated(id=id, stage="special judge", detail=special)
    if len(programs) < thresholds.voters:
        return Generated(id=id, stage="few programs", detail=f"{len(programs)} programs")
    generator = write(task)
    if generator is None:
        return Generated(id=id, stage="no generator")
    printed, fault = inputs(sandbox, generator, thresholds.cases)
    given = [text for text in printed if usable(task.interface, text)]
    by_program = [observed(sandbox, task.interface, one, given) for one in programs]
    return judged(task, given, by_program, fault, thresholds)


def judged(
    task: Task,
    given: Sequence[str],
    by_program: Sequence[Sequence[Output | None]],
    fault: str,
    thresholds: Thresholds,
) -> Generated:
    """The two rules on the programs' outputs, [programs][cases]."""
    same = task.interface.same
    by_case = list(zip(*by_program, strict=True))
    valid = [
        (text, outputs, expected, test)
        for text, outputs in zip(given, by_case, strict=True)
        if (expected := agreed(outputs, same, thresholds.agreeing)) is not None
        and (test := as_test(task.interface, text, expected)) is not None
    ]
    wanted = [expected for _, _, expected, _ in valid]
    passes = passing([outputs for _, outputs, _, _ in valid], wanted, same)
    stage: Stage = "kept"
    if len(valid) < thresholds.fewest_valid:
        stage, said = "few valid cases", f"{len(valid)} of {len(given)} cases are valid"
        fault = f"{said}; {fault}" if fault else said
    elif all(same(wanted[0].value, one.value) for one in wanted):
        stage, fault = "one output", "every program that prints it would pass"
    elif sum(passes) < thresholds.passing:
        stage, fault = "programs disagree", f"{sum(passes)} of {len(passes)} pass"
    return Generated(
        id=task.problem.id,
        stage=stage,
        detail="" if stage == "kept" else fault,
        generated=len(given),
        valid=len(valid),
        passing=passes,
        tests=[test for *_, test in valid] if stage == "kept" else (),
    )


def usable(interface: Interface, text: str) -> bool:
    """Whether programs can be given an input."""
    return interface.function is None or interface.arguments(text) is not None


def as_test(interface: Interface, text: str, expected: Output) -> dict[str, Any] | None:
    """The case as a test of `Problem.tests`; None where it cannot be one."""
    test: dict[str, Any]
    if interface.function is None:
        test = {"type": "stdin", "input": text, "output": expected.value, "comparison": "float"}
    else:
        test = {
            "type": "call",
            "function": interface.function,
            "arguments": json.loads(text),
            "output": expected.value,
            "tolerance": TOLERANCE,
        }
    test["prelude"] = interface.prelude
    try:
        read_case(test)
    except ValueError:
        return None
    return test


def funnel(found: Iterable[Generated]) -> dict[str, int]:
    """How many problems came how far: the report's 1,000, 614, 463, 323."""
    stages = get_args(Stage)
    reached = Counter(stages.index(one.stage) for one in found)
    past = [sum(n for stage, n in reached.items() if stage > place) for place in range(len(stages))]
    names = ("no special judge", "enough programs", "a generator", "enough valid cases",
             "several outputs", "kept")  # fmt: skip
    return {"problems": sum(reached.values()), **dict(zip(names, past, strict=False))}
