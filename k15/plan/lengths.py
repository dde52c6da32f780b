"""How long responses are: those of a run, or drawn from a distribution with a long tail."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from statistics import mean
from typing import Any, Protocol

from k15.config.errors import ConfigError

MEDIAN = 0.074
"""Of the longest response: a median of 2,400 tokens where 32,768 are allowed, as in
benchmarks/partial_rollouts.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """What is known of the samples of one problem."""

    prompt: int
    """Tokens."""
    responses: tuple[int, ...]
    """Tokens of each."""
    signal: bool = True
    """Whether their rewards differ, so that they are trained on."""


class Lengths(Protocol):
    """A group for each number."""

    @property
    def about(self) -> str:
        """One line for people."""
        ...

    def group(self, number: int, samples: int) -> Group:
        """The same for the same number."""
        ...


@dataclass(frozen=True, kw_only=True)
class LogNormal:
    """Lengths whose logarithm is normal, cut at the longest response.

    `median` null is 7.4 % of the longest. `prompt` is the length of every prompt, `signal` the
    share of groups that are trained on. Raises ConfigError for numbers that cannot be.
    """

    longest: int
    prompt: int = 100
    median: float | None = None
    sigma: float = 1.12
    signal: float = 0.7

    def __post_init__(self) -> None:
        positive = {"prompt": self.prompt, "sigma": self.sigma, "median": self.median or 1}
        for name, value in positive.items():
            if value <= 0:
                raise ConfigError(f"distribution.{name}={value}: must be above 0")
        if not 0 < self.signal <= 1:
            raise ConfigError(f"distribution.signal={self.signal}: must be above 0, at most 1")

    @property
    def about(self) -> str:
        """Its parameters and what comes out."""
        drawn = [length for n in range(500) for length in self.group(n, 8).responses]
        return (
            f"log-normal, median {self.middle:,.0f}, sigma {self.sigma:g}, at most "
            f"{self.longest:,}: mean {mean(drawn):,.0f} tokens; prompts {self.prompt:,}; "
            f"{self.signal:.0%} of the groups trained on (assumed)"
        )

    @property
    def middle(self) -> float:
        """Of the uncut ones."""
        return self.median or max(1.0, MEDIAN * self.longest)

    def group(self, number: int, samples: int) -> Group:
        """Drawn by its number."""
        random = Random(f"lengths/{number}")
        drawn = [random.lognormvariate(math.log(self.middle), self.sigma) for _ in range(samples)]
        responses = tuple(max(1, min(self.longest, round(length))) for length in drawn)
        signal = random.random() < self.signal
        return Group(prompt=self.prompt, responses=responses, signal=signal)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Those of the groups of a run, over and over; `longest` cuts them.

    `prompt` is the length of prompts where the run did not write it down.
    """

    groups: Sequence[Group]
    folder: str
    longest: int

    @cached_property
    def about(self) -> str:
        """What they are like."""
        responses = [length for group in self.groups for length in group.responses]
        signal = sum(group.signal for group in self.groups) / len(self.groups)
        return (
            f"{len(responses):,} responses of {self.folder}: mean {mean(responses):,.0f} tokens, "
            f"at most {max(responses):,}; prompts {mean(g.prompt for g in self.groups):,.0f}; "
            f"{signal:.0%} of the groups trained on (measured)"
        )

    def group(self, number: int, samples: int) -> Group:
        """The next one of the run; its responses over and over if it has too few."""
        found = self.groups[number % len(self.groups)]
        responses = found.responses
        taken = tuple(min(self.longest, responses[i % len(responses)]) for i in range(samples))
        return Group(prompt=found.prompt, responses=taken, signal=found.signal)


def measured(folder: str, prompt: int, longest: int, last: int | None = None) -> Measured:
    """The groups of a run of RL, of its `last` iterations only; a group whose responses took
    several iterations is in the one that ended it.

    Raises ConfigError if there are none.
    """
    files = sorted(Path(folder, "rollouts").glob("iteration_*.jsonl"))[-(last or 0) :]
    groups = [group for file in files for group in groups_of(file, prompt)]
    if not groups:
        raise ConfigError(
            f"lengths={folder}: no rollouts/iteration_*.jsonl there; give the folder of a run of "
            "RL, or lengths=null for a distribution"
        )
    return Measured(groups=groups, folder=folder, longest=longest)


def groups_of(file: Path, prompt: int) -> list[Group]:
    """The groups of one iteration's file, as `k15.callbacks.rollout_log` writes it."""
    rows: dict[int, list[dict[str, Any]]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        rows.setdefault(row["group"], []).append(row)
    return [
        Group(
            prompt=members[0].get("prompt_tokens", prompt),
            responses=tuple(row["tokens"] for row in members),
            signal=len({row["reward"] for row in members}) > 1,
        )
        for members in rows.values()
    ]
