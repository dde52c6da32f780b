"""Which generated cases are valid, and which problems are kept: the report's two thresholds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Same = Callable[[Any, Any], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The report's numbers; each can be another one."""

    cases: int = 50
    """That a generator is asked for."""
    fewest_valid: int = 40
    """Valid cases below which a generator does not count."""
    voters: int = 10
    """Ground-truth programs."""
    agreeing: int = 7
    """Of the voters, how many have to have one output for a case to be valid."""
    passing: int = 9
    """Of the voters, how many have to pass all valid cases for the problem to be kept."""

    def __post_init__(self) -> None:
        if not (1 <= self.agreeing <= self.voters and 1 <= self.passing <= self.voters):
            raise ValueError(
                f"agreeing={self.agreeing}, passing={self.passing}: both are of voters="
                f"{self.voters}, so from 1 to that"
            )
        if not 1 <= self.fewest_valid <= self.cases:
            raise ValueError(f"fewest_valid={self.fewest_valid} must be from 1 to {self.cases}")


@dataclass(frozen=True, slots=True)
class Output:
    """What a program made of an input; of one that crashed or was ended there is none."""

    value: Any


Outputs = Sequence[Output | None]
"""[programs] on one input."""


def agreed(outputs: Outputs, same: Same, agreeing: int) -> Output | None:
    """The output that so many of the programs have; None if there is no such one.

    Programs without an output agree with nobody. With tolerances `same` may hold of neighbours
    alone, so an output's supporters are counted for each one.
    """
    there = [output for output in outputs if output is not None]
    support = [sum(same(one.value, other.value) for other in there) for one in there]
    if not support or max(support) < agreeing:
        return None
    return there[support.index(max(support))]


def passing(cases: Sequence[Outputs], expected: Sequence[Output], same: Same) -> list[bool]:
    """[programs] which of them have the expected output on every case."""
    programs = range(len(cases[0]) if cases else 0)
    return [
        all(
            (output := outputs[program]) is not None and same(output.value, wanted.value)
            for outputs, wanted in zip(cases, expected, strict=True)
        )
        for program in programs
    ]
