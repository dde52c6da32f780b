"""Demonstrations for the warm-up stages: prompts with responses, cut into batches by a token
budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random

from torch.utils.data import DataLoader, Sampler

from k15.datamodules.loader import ResumableData, ResumableLoader, SharedLoader
from k15.datamodules.usable import Usable
from k15.models.conversations import examples_of
from k15.models.layouts.base import expanded_length
from k15.models.layouts.bucketed import side_by_side
from k15.models.policy import Policy
from k15.problems.sources import DemonstratedSource, demonstrations
from k15.questions import Split
from k15.shard import shard_of
from k15.types import Example


class LengthBuckets(Sampler[list[int]]):
    """Batches of sequences of similar length under a token budget, in random order.

    Sorting the whole epoch by length would make neighbours alike in more than length; so a
    pool of `pool_batches` batches is drawn at random, sorted, cut, and the batches shuffled. In
    each further epoch, sequences of one length change places and the batches are shuffled anew, so
    that there are as many of them.
    """

    def __init__(
        self, lengths: Sequence[int], tokens_per_batch: int, seed: int, pool_batches: int = 50
    ):
        order = list(range(len(lengths)))
        Random(seed).shuffle(order)
        pool_tokens = pool_batches * tokens_per_batch
        self.batches: list[list[int]] = []
        for pool in _pools(order, lengths, pool_tokens):
            cuts = side_by_side([lengths[i] for i in pool], tokens_per_batch)
            self.batches += [[pool[i] for i in batch] for batch in cuts]
        Random(seed + 1).shuffle(self.batches)
        self.lengths = lengths
        self.seed = seed
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches if self.epoch == 0 else self._shuffled())

    def set_epoch(self, epoch: int) -> None:
        """The batches to come are those of this epoch, numbered from 0."""
        self.epoch = epoch

    def _shuffled(self) -> list[list[int]]:
        random = Random(f"{self.seed}/{self.epoch}")
        alike: dict[int, list[int]] = {}
        for index, length in enumerate(self.lengths):
            alike.setdefault(length, []).append(index)
        for indices in alike.values():
            random.shuffle(indices)
        batches = [[alike[self.lengths[i]].pop() for i in batch] for batch in self.batches]
        return random.sample(batches, len(batches))


class DemonstrationData(ResumableData):
    """`tokens` of demonstrations to train on, in prompt and response tokens: an epoch. Null: as
    many demonstrations as the source has problems, which of a file is each row once.

    `pictures_only` passes over what has no picture, where only the vision tower learns. What
    cannot be used is cut or left out as `k15.datamodules.usable` says.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        source: DemonstratedSource,
        tokens: int | None,
        tokens_per_batch: int = 1024,
        held_out_examples: int = 200,
        pictures_only: bool = False,
        max_refused: float = 0.01,
        cut_to_context: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if tokens is not None and tokens < tokens_per_batch:
            raise ValueError(
                f"datamodule.tokens={tokens} is less than tokens_per_batch={tokens_per_batch}: "
                "not one batch"
            )
        self.policy = policy
        self.source = source
        self.tokens = tokens
        self.tokens_per_batch = tokens_per_batch
        self.held_out_examples = held_out_examples
        self.pictures_only = pictures_only
        self.usable = Usable(policy, "demonstrations", max_refused=max_refused, cut=cut_to_context)
        self.seed = seed
        self.train: list[Example] = []
        self.held_out: list[Example] = []

    def setup(self, stage: str) -> None:
        """Write the demonstrations, numbered through; the first ones are of held-out problems.

        Raises ValueError if more than `max_refused` of them cannot be used.
        """
        if self.train:
            return
        kept_back = self.held_out_examples
        if self.tokens is None:
            held_out = min(kept_back, len(self.source.held_out))
            self.held_out = list(self._examples(0, "held_out", held_out))
            self.train = list(self._examples(0, "train", len(self.source.train)))
        else:
            self.held_out = list(islice(self._examples(0, "held_out"), kept_back))
            self.train = list(self._until(self.tokens, self._examples(kept_back, "train")))
        self.usable.report()
        if not self.train:
            raise ValueError("no demonstration is left to train on")

    def train_dataloader(self) -> DataLoader:
        """Batches of `Example`s, each under the token budget."""
        batches = self._batches(self.train)
        return ResumableLoader(self.train, batches, shard_of(self.trainer), within=self)

    def val_dataloader(self) -> DataLoader:
        """Demonstrations of problems that are not trained on."""
        batches = self._batches(self.held_out)
        return SharedLoader(self.held_out, batches, shard_of(self.trainer))

    def _until(self, tokens: int, examples: Iterator[Example]) -> Iterator[Example]:
        counted = 0
        while counted < tokens:
            yield (example := next(examples))
            counted += expanded_length(self.policy, example)

    def _examples(self, first: int, split: Split, number: int | None = None) -> Iterator[Example]:
        drawn = demonstrations(
            self.source,
            first,
            split,
            number=number,
            pictures_only=self.pictures_only,
            refuse=self.usable.refuse,
        )
        for problem, response in drawn:
            for example in examples_of(self.policy, problem, response):
                fitting = self.usable.fit(problem.id, example)
                if fitting is not None:
                    yield fitting

    def _batches(self, examples: list[Example]) -> LengthBuckets:
        lengths = [expanded_length(self.policy, example) for example in examples]
        return LengthBuckets(lengths, self.tokens_per_batch, self.seed)


def _pools(order: list[int], lengths: Sequence[int], tokens: int) -> Iterator[list[int]]:
    pool: list[int] = []
    filled = 0
    for index in order:
        pool.append(index)
        filled += lengths[index]
        if filled >= tokens:
            yield pool
            pool, filled = [], 0
    if pool:
        yield pool
