"""What run folders say, over several seeds.

Intervals of measured models go by the different questions of all seeds together: they are what was
drawn (`k15.intervals`). Those of curves are 1.96 standard errors of the mean over seeds, from the
standard error over questions that each validation has.

Legend: Q different questions.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from k15.evaluation.problems_file import read_problems
from k15.evaluation.results import asked, graded_samples
from k15.intervals import bootstrap

WIDTH = 1.96
ACCURACY, ERROR, TOKENS = "val/accuracy", "val/accuracy_error", "val/response/tokens_mean"
Point = Mapping[str, float]
"""A validation: its iteration, and what it found by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    def above(self, other: Estimate) -> bool:
        """Whether the intervals do not overlap, and this one is the higher."""
        return self.low > other.high

    def said(self, digits: int = 2) -> str:
        """For a sentence."""
        return f"{self.value:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A model of each seed, answering held-out questions."""

    accuracy: Estimate
    tokens: Estimate
    """Mean length of a response."""
    efficiency: Estimate
    """Right answers per 100 tokens."""
    seeds: Sequence[tuple[float, float]]
    """Accuracy and mean tokens of each seed."""
    questions: int


def measured(folders: Sequence[Path]) -> Measured:
    """The models that evaluate.py measured in the folders of a run, one for each seed."""
    right: dict[Any, float] = defaultdict(float)
    tokens: dict[Any, float] = defaultdict(float)
    count: dict[Any, float] = defaultdict(float)
    seeds = []
    for folder in folders:
        questions = {row["id"]: asked(row) for row in read_problems(folder / "measured")}
        samples = graded_samples(folder / "measured")
        for sample in samples:
            question = questions[sample.id]
            right[question] += sample.correct
            tokens[question] += sample.tokens
            count[question] += 1
        seeds.append((mean(s.correct for s in samples), mean(s.tokens for s in samples)))
    right_Q, tokens_Q, count_Q = (torch.tensor([*each.values()]) for each in (right, tokens, count))
    return Measured(
        accuracy=ratio(right_Q, count_Q),
        tokens=ratio(tokens_Q, count_Q),
        efficiency=ratio(100 * right_Q, tokens_Q),
        seeds=seeds,
        questions=len(count),
    )


def ratio(sum_Q: torch.Tensor, size_Q: torch.Tensor) -> Estimate:
    """Of two sums over the questions, with an interval by resampling them."""
    sums, sizes = sum_Q.double(), size_Q.double()
    low, high = bootstrap(sums, sizes)
    return Estimate(value=float(sums.sum() / sizes.sum()), low=float(low), high=float(high))


def history(folder: Path) -> list[Point]:
    """The validations of an RL run."""
    return json.loads((folder / "summary.json").read_text())["history"]


def curve(
    histories: Sequence[Sequence[Point]], value: Callable[[Point], float] | str = ACCURACY
) -> dict[str, list[float]]:
    """A figure over the iterations that all seeds have: mean and, of the accuracy, its interval.

    `value` is a name, or a function of a validation.
    """
    of = value if callable(value) else (lambda point: point[value])
    seeds = [{int(point["iteration"]): point for point in history} for history in histories]
    iterations = sorted(set.intersection(*(set(seed) for seed in seeds)))
    found: dict[str, list[float]] = {"iteration": [float(i) for i in iterations]}
    found["mean"] = [mean(of(seed[i]) for seed in seeds) for i in iterations]
    if value == ACCURACY:
        errors = [
            math.sqrt(sum(seed[i].get(ERROR, 0.0) ** 2 for seed in seeds)) / len(seeds)
            for i in iterations
        ]
        found["low"] = [m - WIDTH * e for m, e in zip(found["mean"], errors, strict=True)]
        found["high"] = [m + WIDTH * e for m, e in zip(found["mean"], errors, strict=True)]
    return found


def mean(values: Any) -> float:
    """Of some numbers; nan of none."""
    listed = [float(value) for value in values]
    return sum(listed) / len(listed) if listed else math.nan
