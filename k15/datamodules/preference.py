"""Pairs for long2short DPO (k1.5 §2.4): the shortest correct answer against longer ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from k15.datamodules.sampled import SampledData
from k15.models.layouts.base import expanded_length
from k15.rollouts.samples import Sample
from k15.rollouts.shortest import RATIO, preferences, why_no_pair
from k15.types import Preference, Problem


class PreferenceData(SampledData[Preference]):
    """Pairs of each problem's samples: chosen is the shortest correct one; rejected are those that
    are wrong and longer, or correct and at least `ratio` times as long, the longest
    `pairs_per_problem` of them (null: all).
    """

    def __init__(
        self, *, ratio: float = RATIO, pairs_per_problem: int | None = None, **sampled: Any
    ) -> None:
        super().__init__(**sampled)
        if ratio < 1:
            raise ValueError(f"datamodule.ratio={ratio}: of lengths, at least 1")
        if pairs_per_problem is not None and pairs_per_problem < 1:
            raise ValueError(f"datamodule.pairs_per_problem={pairs_per_problem}: at least 1")
        self.ratio = ratio
        self.pairs_per_problem = pairs_per_problem

    def items(self, problem: Problem, samples: Sequence[Sample]) -> list[Preference]:
        """The pairs, numbered."""
        found = preferences(samples, self.ratio, self.pairs_per_problem)
        return [
            Preference(
                id=f"{problem.id}/{number}",
                chosen=self.example(problem, chosen),
                rejected=self.example(problem, rejected),
            )
            for number, (chosen, rejected) in enumerate(found)
        ]

    def why_nothing(self, samples: Sequence[Sample]) -> str:
        """Of a problem without a pair."""
        return why_no_pair(samples)

    def length(self, item: Preference) -> int:
        """Both are rows of one batch, padded to the longer one."""
        both = (item.chosen, item.rejected)
        return 2 * max(expanded_length(self.policy, example) for example in both)
