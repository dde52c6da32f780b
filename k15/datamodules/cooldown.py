"""Cooldown's data: curated documents, and answers that the model itself gave and the graders found
right (k1.5 §2.5).
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from k15.datamodules.corpus import CorpusData
from k15.datamodules.rejection import RightData
from k15.models.policy import Policy
from k15.problems.documents.source import Corpus, Demonstration, Item
from k15.questions import Split

NAME = "synthetic"


class Kept:
    """The source of what was kept; it is there once the samples are."""

    words: tuple[str, ...] = ()

    def __init__(self, answers: RightData) -> None:
        self.answers = answers

    def read(
        self, first: int = 0, split: Split = "train", turn: int = 0
    ) -> Iterator[tuple[int, Item]]:
        """As `DocumentSource.read`."""
        pairs = self.answers.pairs if split == "train" else []
        order = Random(f"kept {turn}").sample(range(len(pairs)), len(pairs))
        for number in range(first, len(order)):
            problem, text = pairs[order[number]]
            yield number, Demonstration(problem, text)


class CooldownData(CorpusData):
    """As `CorpusData`, with one source more, which phases call `synthetic`: right answers of the
    model that training starts from, drawn and graded in `prepare_data`, on one process.
    """

    def __init__(
        self, *, policy: Policy, corpus: Corpus, synthetic: RightData, **settings: Any
    ) -> None:
        self.answers = synthetic
        sources = {**corpus.sources, NAME: Kept(synthetic)}
        super().__init__(policy=policy, corpus=Corpus(sources), **settings)
        self.prepare_data_per_node = False  # runs lie on a disk that all nodes share

    def prepare_data(self) -> None:
        """Draw what the folder of samples does not have yet."""
        self.answers.trainer = self.trainer
        self.answers.prepare_data()

    def setup(self, stage: str) -> None:
        """Choose the right ones."""
        self.answers.trainer = self.trainer
        self.answers.setup(stage)
        super().setup(stage)
