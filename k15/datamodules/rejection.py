"""Shortest rejection sampling (k1.5 §2.4): SFT on the shortest correct answer to each problem."""

from __future__ import annotations

from collections.abc import Sequence

from k15.datamodules.sampled import SampledData
from k15.models.layouts.base import expanded_length
from k15.rollouts.samples import Sample
from k15.rollouts.shortest import NONE_RIGHT, shortest
from k15.types import Example, Problem


class ShortestData(SampledData[Example]):
    """An example per problem that has a correct sample."""

    def items(self, problem: Problem, samples: Sequence[Sample]) -> list[Example]:
        """The shortest correct one."""
        chosen = shortest(samples)
        return [] if chosen is None else [self.example(problem, chosen)]

    def why_nothing(self, samples: Sequence[Sample]) -> str:
        """There is one reason."""
        return NONE_RIGHT

    def length(self, item: Example) -> int:
        """Prompt and response, pictures expanded."""
        return expanded_length(self.policy, item)
