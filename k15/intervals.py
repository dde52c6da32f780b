"""How sure a mean over problems is: standard error, bootstrap interval, paired significance.

The problems are what was drawn, so they are what is resampled; the samples of one problem stay
together. Legend: P problems, R resamples.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SEED = 0
RESAMPLES = 2000
FLIPS = 10_000
CELLS = 1_000_000
"""Numbers drawn at a time."""


def estimate(value_P: Tensor) -> dict[str, Tensor]:
    """Mean of per-problem values with standard error and 95 % bootstrap interval.

    One problem says nothing of the spread: error and interval are nan then. Where all problems have
    the same value the interval has no width, which is too sure for few problems.
    """
    value = value_P.double()
    nan = value.new_tensor(math.nan)
    if len(value) < 2:
        mean = value.mean() if len(value) else nan
        return {"value": mean, "standard_error": nan, "low": nan, "high": nan}
    low, high = bootstrap(value)
    error = value.std() / math.sqrt(len(value))
    return {"value": value.mean(), "standard_error": error, "low": low, "high": high}


def bootstrap(value_P: Tensor, level: float = 0.95) -> tuple[Tensor, Tensor]:
    """Percentile interval of the mean under resampling of the problems; the same at each call."""
    draw = torch.Generator().manual_seed(SEED)
    problems = len(value_P)
    rows = max(1, CELLS // problems)
    means = []
    for first in range(0, RESAMPLES, rows):
        size = (min(rows, RESAMPLES - first), problems)
        index = torch.randint(problems, size, generator=draw)
        means.append(value_P.cpu()[index].mean(dim=1))
    mean_R = torch.cat(means)
    tail = (1 - level) / 2
    return torch.quantile(mean_R, tail), torch.quantile(mean_R, 1 - tail)


def paired_p_value(difference_P: Tensor) -> float:
    """Two-sided p-value of a mean paired difference of 0.

    Under that hypothesis each difference is as likely to have the other sign. Where all that are
    not 0 have one size, as with one sample per problem, this is McNemar's exact test; else
    `FLIPS` random choices of signs are counted, the observed one among them (Phipson and Smyth
    2010), so that the value is never 0.
    """
    difference = difference_P.double().cpu()
    difference = difference[difference.abs() > 1e-12]
    if len(difference) == 0:
        return 1.0
    if torch.allclose(difference.abs(), difference.abs()[0], atol=1e-12):
        return mcnemar(int((difference > 0).sum()), int((difference < 0).sum()))
    return sign_flip(difference)


def mcnemar(better: int, worse: int) -> float:
    """Exact two-sided p-value of `better` against `worse` among the problems that changed."""
    changed = better + worse
    tail = sum(math.comb(changed, count) for count in range(min(better, worse) + 1))
    return min(1.0, float(2 * tail / 2**changed))


def sign_flip(difference_P: Tensor) -> float:
    """Share of random sign choices whose sum is at least as far from 0."""
    draw = torch.Generator().manual_seed(SEED)
    observed = difference_P.sum().abs() - 1e-9
    rows = max(1, CELLS // len(difference_P))
    extreme = 0
    for first in range(0, FLIPS, rows):
        size = (min(rows, FLIPS - first), len(difference_P))
        sign = 2.0 * torch.randint(2, size, generator=draw).double() - 1
        extreme += int(((sign @ difference_P).abs() >= observed).sum())
    return (extreme + 1) / (FLIPS + 1)
