"""Shortest rejection sampling (k1.5 §2.4): SFT on the shortest correct answer to each problem."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from k15.datamodules.sampled import SampledData
from k15.models.layouts.base import expanded_length
from k15.rollouts.samples import Sample
from k15.rollouts.shortest import NONE_RIGHT, is_right, shortest
from k15.types import Example, Problem


class RightData(SampledData[Example]):
    """Every correct sample, and with what text it answers (`pairs`): for a mixture of documents."""

    def __init__(self, *, tokens_per_batch: int = 1024, **settings: Any) -> None:
        super().__init__(tokens_per_batch=tokens_per_batch, **settings)
        self.pairs: list[tuple[Problem, str]] = []

    def items(self, problem: Problem, samples: Sequence[Sample]) -> list[Example]:
        """Different ones."""
        right = {sample.text: sample for sample in samples if is_right(sample)}
        self.pairs += [(problem, text) for text in right]
        return [self.example(problem, sample) for sample in right.values()]

    def why_nothing(self, samples: Sequence[Sample]) -> str:
        """There is one reason."""
        return NONE_RIGHT

    def nothing_teaches(self, report: Mapping[str, int]) -> None:
        """The other documents are there."""
        print(f"no answer of the model's own is right: {report}; the others do without", flush=True)

    def length(self, item: Example) -> int:
        """Prompt and response, pictures expanded."""
        return expanded_length(self.policy, item)


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
