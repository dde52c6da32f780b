"""How sure a mean over problems is: standard error, bootstrap interval, paired significance.

The questions are what was drawn, so they are what is resampled: the samples of one problem, and
problems that ask the same, stay together. Legend: P problems, Q different questions, R resamples.
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


def estimate(value_P: Tensor, question_P: Tensor | None = None) -> dict[str, Tensor]:
    """Mean of per-problem values with standard error and 95 % bootstrap interval.

    `question_P` are numbers of questions: problems that ask the same have the same number, and are
    one draw. None: all are different. One question says nothing of the spread: error and interval
    are nan then. Where all problems have the same value the interval has no width, which is too
    sure for few problems.
    """
    value = value_P.double()
    mean = value.mean() if len(value) else value.new_tensor(math.nan)
    size_Q, sum_Q = by_question(value, question_P)
    error = standard_error(value, question_P)
    low, high = bootstrap(sum_Q, size_Q) if len(size_Q) > 1 else (error, error)
    return {"value": mean, "standard_error": error, "low": low, "high": high}


def standard_error(value_P: Tensor, question_P: Tensor | None = None) -> Tensor:
    """Of the mean over problems, with the questions as clusters: the root of Q/(Q-1) Σ_q r_q², over
    P, where r_q sums value - mean over the problems of question q. nan for fewer than two.

    With one problem per question it is the standard deviation over the root of P.
    """
    value = value_P.double()
    _, sum_Q = by_question(value - value.mean(), question_P)
    questions = len(sum_Q)
    if questions < 2:
        return value.new_tensor(math.nan)
    return (questions / (questions - 1) * sum_Q.square().sum()).sqrt() / len(value)


def by_question(value_P: Tensor, question_P: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """[Q] how many problems ask each question, and [Q] the sum of their values."""
    value = value_P.double()
    if question_P is None:
        return torch.ones_like(value), value
    _, row, size_Q = question_P.unique(return_inverse=True, return_counts=True)
    return size_Q.double(), value.new_zeros(len(size_Q)).index_add(0, row.to(value.device), value)


def bootstrap(
    sum_Q: Tensor, size_Q: Tensor | None = None, level: float = 0.95
) -> tuple[Tensor, Tensor]:
    """Percentile interval of the mean under resampling of the questions; the same at each call.

    `sum_Q` are sums over the problems of each question, `size_Q` their numbers; None: one each.
    """
    draw = torch.Generator().manual_seed(SEED)
    sums = sum_Q.cpu()
    sizes = torch.ones_like(sums) if size_Q is None else size_Q.cpu()
    questions = len(sums)
    rows = max(1, CELLS // questions)
    means = []
    for first in range(0, RESAMPLES, rows):
        size = (min(rows, RESAMPLES - first), questions)
        index = torch.randint(questions, size, generator=draw)
        means.append(sums[index].sum(dim=1) / sizes[index].sum(dim=1))
    mean_R = torch.cat(means)
    tail = (1 - level) / 2
    return torch.quantile(mean_R, tail), torch.quantile(mean_R, 1 - tail)


def paired_p_value(difference_P: Tensor, question_P: Tensor | None = None) -> float:
    """Two-sided p-value of a mean paired difference of 0.

    Under that hypothesis each question's difference is as likely to have the other sign. Where all
    that are not 0 have one size, as with one sample per problem, this is McNemar's exact test; else
    `FLIPS` random choices of signs are counted, the observed one among them (Phipson and Smyth
    2010), so that the value is never 0.
    """
    _, sum_Q = by_question(difference_P, question_P)
    difference = sum_Q.cpu()
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
