"""Demonstrations for the warm-up stages: prompts with responses, cut into batches by a token
budget.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random

from torch.utils.data import DataLoader, Sampler

from k15.config.errors import ConfigError
from k15.datamodules.loader import ResumableData, ResumableLoader, SharedLoader
from k15.datamodules.usable import Usable
from k15.models.conversations import examples_of
from k15.models.layouts.base import expanded_length
from k15.models.layouts.bucketed import side_by_side
from k15.models.layouts.packed import end_to_end
from k15.models.policy import Policy
from k15.problems.sources import DemonstratedSource, demonstrations
from k15.questions import Split
from k15.shard import shard_of
from k15.types import Example, Pack


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


class PackedBatches(Sampler[list[int]]):
    """Batches of whole sequences that fill a token budget, in random order: one pass over all of
    them for each of `longest`, with those that are not longer than that.

    In each further epoch, sequences of one length change places.
    """

    def __init__(
        self, lengths: Sequence[int], tokens_per_batch: int, longest: Sequence[int], seed: int
    ) -> None:
        self.lengths = lengths
        self.tokens_per_batch = tokens_per_batch
        self.longest = longest
        self.seed = seed
        self.epoch = 0
        self.filled = [self._filled(phase) for phase in range(len(longest))]

    def __len__(self) -> int:
        return sum(map(len, self.filled))

    def __iter__(self) -> Iterator[list[int]]:
        for phase in range(len(self.longest)):
            yield from self._filled(phase) if self.epoch else self.filled[phase]

    def set_epoch(self, epoch: int) -> None:
        """The batches to come are those of this epoch, numbered from 0."""
        self.epoch = epoch

    @property
    def padding(self) -> float:
        """The share of the budgets that is left."""
        used = sum(self.lengths[i] for batches in self.filled for batch in batches for i in batch)
        return 1 - used / max(1, self.tokens_per_batch * len(self))

    def _filled(self, phase: int) -> list[list[int]]:
        random = Random(f"{self.seed}/{self.epoch}/{phase}")
        fitting = [i for i, length in enumerate(self.lengths) if length <= self.longest[phase]]
        random.shuffle(fitting)
        batches = end_to_end([self.lengths[i] for i in fitting], self.tokens_per_batch)
        return [[fitting[i] for i in batch] for batch in random.sample(batches, len(batches))]


class DemonstrationData(ResumableData):
    """`tokens` of demonstrations to train on, in prompt and response tokens: an epoch. Null: as
    many demonstrations as the source has problems, which of a file is each row once.

    With `packed`, batches are filled with whole sequences rather than with ones of similar length,
    and nothing is padded. `longest` lets sequences of up to so many tokens in; of several numbers,
    there is a pass over all that fit for each, one after the other (k1.5 §2.5: 32,768, then
    131,072).

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
        packed: bool = False,
        longest: int | Sequence[int] | None = None,
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
        self.packed = packed
        self.longest = checked_longest(longest, packed, tokens_per_batch, policy.context)
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
        """Batches of `Example`s, or of one `Pack` each, under the token budget."""
        shard = shard_of(self.trainer)
        if not self.packed:
            return ResumableLoader(self.train, self._batches(self.train), shard, within=self)
        lengths = [expanded_length(self.policy, example) for example in self.train]
        batches = PackedBatches(lengths, self.tokens_per_batch, self.longest, self.seed)
        if shard.rank == 0:
            self._say_packed(lengths, batches)
        return ResumableLoader(self.train, batches, shard, within=self, join=self._pack)

    def val_dataloader(self) -> DataLoader:
        """Demonstrations of problems that are not trained on."""
        batches = self._batches(self.held_out)
        return SharedLoader(self.held_out, batches, shard_of(self.trainer))

    def _short_enough(self, name: str, example: Example) -> bool:
        """Whether a pass takes it; else it is refused."""
        length, most = expanded_length(self.policy, example), max(self.longest)
        if self.packed and length > most:
            self.usable.refuse(name, f"{length} tokens exceed datamodule.longest={most}")
            return False
        return True

    def _pack(self, examples: Sequence[Example]) -> list[Pack]:
        lengths = tuple(expanded_length(self.policy, example) for example in examples)
        return [
            Pack(
                examples=tuple(examples),
                lengths=lengths,
                names=(),
                capacity=self.tokens_per_batch,
            )
        ]

    def _say_packed(self, lengths: Sequence[int], batches: PackedBatches) -> None:
        passes = zip(self.longest, batches.filled, strict=True)
        each = ", ".join(f"{len(filled)} of up to {longest:,}" for longest, filled in passes)
        print(
            f"{len(lengths):,} demonstrations of {sum(lengths):,} tokens in batches of "
            f"{self.tokens_per_batch:,}: {each} tokens a sequence; padding {batches.padding:.1%}",
            flush=True,
        )

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
                if fitting is not None and self._short_enough(problem.id, fitting):
                    yield fitting

    def _batches(self, examples: list[Example]) -> LengthBuckets:
        lengths = [expanded_length(self.policy, example) for example in examples]
        return LengthBuckets(lengths, self.tokens_per_batch, self.seed)


def checked_longest(
    longest: int | Sequence[int] | None, packed: bool, tokens_per_batch: int, context: int
) -> list[int]:
    """The longest sequence of each pass.

    Raises ConfigError for one that does not fit into a batch, or where nothing is packed.
    """
    if longest is None:
        return [min(tokens_per_batch, context)]
    if not packed:
        raise ConfigError(
            f"datamodule.longest={longest}: sequences are let in by length where they are packed; "
            "set datamodule.packed=true"
        )
    given = [longest] if isinstance(longest, int) else list(longest)
    for tokens in given:
        if not 2 <= tokens <= tokens_per_batch:
            raise ConfigError(
                f"datamodule.longest={tokens}: must be from 2 to what a batch holds "
                f"(datamodule.tokens_per_batch={tokens_per_batch})"
            )
    return given


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
