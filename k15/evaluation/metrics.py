"""Scores as torchmetrics: each takes samples in any order, on any rank, and reduces over ranks.

A sample is known by the number of its problem, which all ranks count alike. Settings are those of
`torchmetrics.Metric`. Values are means over problems; how sure they are goes by the different
questions (`k15.intervals`). Legend: N samples of one update, P problems, n samples of one problem,
S subsets of k of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from k15.intervals import SEED, estimate

NO_VOTE = -1
SUBSETS = 256
"""More subsets of one problem's samples than this are sampled, not all counted."""


class SampleMetric(Metric):
    """Keeps problem number and verdict of every sample.

    `questions` [P] is the number of the question that each problem asks; None: all different.
    """

    full_state_update = False
    problem: list[Tensor]
    correct: list[Tensor]

    def __init__(self, questions: Tensor | None = None, **settings: Any) -> None:
        super().__init__(**settings)
        self.questions = questions
        self.add_state("problem", default=[], dist_reduce_fx="cat")
        self.add_state("correct", default=[], dist_reduce_fx="cat")

    def update(self, problem: Tensor, correct: Tensor) -> None:
        """Add N samples: problem number [N] and verdict [N], 1 right and 0 wrong."""
        self.problem.append(problem.long())
        self.correct.append(correct.double())

    def counts(self) -> tuple[Tensor, Tensor, Tensor]:
        """Number, samples and right samples of each problem, [P] each."""
        problem, correct = dim_zero_cat(self.problem), dim_zero_cat(self.correct)
        number, row, samples = problem.unique(return_inverse=True, return_counts=True)
        right = torch.zeros(len(samples), dtype=torch.double, device=correct.device)
        return number, samples, right.index_add(0, row, correct)

    def estimated(self, value_P: Tensor, number_P: Tensor) -> dict[str, Tensor]:
        """`intervals.estimate` over the problems with these numbers."""
        asked = None if self.questions is None else self.questions[number_P.cpu()]
        return estimate(value_P, asked)


class AverageAtN(SampleMetric):
    """avg@n: the mean over problems of the share of right samples (k1.5 §3: AIME over 8 runs)."""

    def compute(self) -> dict[str, Tensor]:
        """`intervals.estimate` over the problems."""
        number, samples, right = self.counts()
        return self.estimated(right / samples, number)


class PassAtK(SampleMetric):
    """pass@k without bias: 1 - C(n-c, k) / C(n, k), c of n samples right (arXiv 2107.03374).

    A problem with fewer than k graded samples is left out.
    """

    def __init__(self, k: int, questions: Tensor | None = None, **settings: Any) -> None:
        super().__init__(questions, **settings)
        self.k = k

    def compute(self) -> dict[str, Tensor]:
        """`intervals.estimate` over the problems."""
        number, samples, right = self.counts()
        enough = samples >= self.k
        pairs = zip(samples[enough].tolist(), right[enough].tolist(), strict=True)
        passed = [pass_at_k(n, round(c), self.k) for n, c in pairs]
        return self.estimated(torch.tensor(passed, dtype=torch.double), number[enough])


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Share of the subsets of k samples that have a right one."""
    return 1 - math.comb(samples - right, k) / math.comb(samples, k)


class MajorityAtK(SampleMetric):
    """maj@k: how often the most voted answer among k samples is right.

    The mean over all subsets of k of a problem's n samples, or over `SUBSETS` random ones where
    there are more; answers that tie for the most votes count with equal parts. A sample without
    an answer does not vote; nobody voting is wrong. Problems with fewer than k graded samples are
    left out.
    """

    vote: list[Tensor]

    def __init__(self, k: int, questions: Tensor | None = None, **settings: Any) -> None:
        super().__init__(questions, **settings)
        self.k = k
        self.add_state("vote", default=[], dist_reduce_fx="cat")

    def update(self, problem: Tensor, correct: Tensor, vote: Tensor) -> None:  # type: ignore[override]
        """Add N samples; `vote` [N] are numbers of answers, `NO_VOTE` for none."""
        super().update(problem, correct)
        self.vote.append(vote.long())

    def compute(self) -> dict[str, Tensor]:
        """`intervals.estimate` over the problems."""
        draw = torch.Generator().manual_seed(SEED)
        shares = {
            number: majority(vote, correct, subsets(len(vote), self.k, draw))
            for number, vote, correct in self.by_problem()
            if len(vote) >= self.k
        }
        numbers = torch.tensor(list(shares), dtype=torch.long)
        return self.estimated(torch.tensor(list(shares.values()), dtype=torch.double), numbers)

    def by_problem(self) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Number, votes and verdicts of each problem, sorted, so that no order of ranks shows."""
        table = torch.stack(
            [
                dim_zero_cat(self.problem).double(),
                dim_zero_cat(self.vote).double(),
                dim_zero_cat(self.correct),
            ],
            dim=1,
        ).cpu()
        rows = torch.tensor(sorted(table.tolist()), dtype=torch.double).reshape(-1, 3)
        _, sizes = rows[:, 0].unique_consecutive(return_counts=True)
        for part in rows.split(sizes.tolist()):
            yield int(part[0, 0]), part[:, 1], part[:, 2]


def subsets(samples: int, k: int, draw: torch.Generator) -> Tensor:
    """[S, k] all subsets of k of the samples, or `SUBSETS` drawn ones where there are more."""
    if math.comb(samples, k) <= SUBSETS:
        return torch.tensor(list(itertools.combinations(range(samples), k)))
    return torch.rand(SUBSETS, samples, generator=draw).argsort(dim=1)[:, :k]


def majority(vote: Tensor, correct: Tensor, subset_SK: Tensor) -> float:
    """Mean over subsets of the verdict of the most voted answer, ties in equal parts.

    Answers that tie have equally many samples, so the mean over their samples is the split.
    """
    vote_SK, correct_SK = vote[subset_SK], correct[subset_SK]
    voices_SK = (vote_SK[:, :, None] == vote_SK[:, None, :]).sum(dim=2)
    voices_SK = voices_SK.where(vote_SK != NO_VOTE, 0)
    most_S = voices_SK.amax(dim=1, keepdim=True)
    wins_SK = (voices_SK == most_S) & (most_S > 0)
    share_S = (correct_SK * wins_SK).sum(dim=1) / wins_SK.sum(dim=1).clamp(min=1)
    return float(share_S.mean())


class TokenUse(Metric):
    """What the answers cost: tokens per response, responses cut short, score for the tokens."""

    full_state_update = False
    tokens: list[Tensor]
    truncated: Tensor
    right: Tensor

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.add_state("tokens", default=[], dist_reduce_fx="cat")
        zero = torch.zeros((), dtype=torch.double)
        self.add_state("truncated", default=zero.clone(), dist_reduce_fx="sum")
        self.add_state("right", default=zero.clone(), dist_reduce_fx="sum")

    def update(self, tokens: Tensor, truncated: Tensor, correct: Tensor) -> None:
        """Add N samples: response tokens, whether cut at the limit, verdict; each [N]."""
        self.tokens.append(tokens.double())
        self.truncated += truncated.double().sum()
        self.right += correct.double().sum()

    def compute(self) -> dict[str, Tensor]:
        """tokens_mean, tokens_p95, truncated (share) and score_per_1k_tokens.

        The last is right samples per 1,000 tokens spent on all of them; nan without any tokens.
        """
        tokens = dim_zero_cat(self.tokens)
        spent = tokens.sum()
        return {
            "tokens_mean": tokens.mean(),
            "tokens_p95": torch.quantile(tokens, 0.95),
            "truncated": self.truncated / len(tokens),
            "score_per_1k_tokens": 1000 * self.right / spent if spent else spent / spent,
        }
