"""Pretraining's data: packs of documents from a mixture of sources, phase after phase.

    phases:  short {tokens, sequence_tokens, weights, across} ─► long {...}      one epoch

All ranks read the same stream and take every so-many-th pack of each batch, so that the order of
the data is the same however many there are. A checkpoint holds where the stream was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Any

from torch.utils.data import DataLoader, IterableDataset

from k15.config.errors import ConfigError
from k15.datamodules.demonstrations import LengthBuckets
from k15.datamodules.loader import OwnRandomLoader, ResumableData, SharedLoader
from k15.datamodules.mixing import Mixture, checked_weights
from k15.datamodules.packing import Packer
from k15.datamodules.stream import PackStream, Phase
from k15.models.conversations import examples_of
from k15.models.documents import Documents
from k15.models.layouts.base import expanded_length
from k15.models.policy import Policy
from k15.problems.documents.source import Corpus, Demonstration, Refusal
from k15.shard import Shard, shard_of
from k15.types import Document, Example, Pack, Share

CHECKED_FROM = 200  # documents; of fewer, one that is broken is a large share


class CorpusData(ResumableData):
    """`phases` by name, one after the other, as far as the sources reach.

    A step is on `tokens_per_batch` tokens, in as many sequences as fit. A source that has given all
    is gone through again, `turns` times altogether. The more packs are open, the less of them is
    padding, and the longer a document may wait. `held_out_documents` of each source that is
    trained on are for validation. Up to `max_refused` (a share) of the documents may be unusable:
    they are named, counted and left out.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        corpus: Corpus,
        phases: Mapping[str, Phase],
        tokens_per_batch: int,
        turns: int = 1,
        open_packs: int = 32,
        held_out_documents: int = 50,
        max_refused: float = 0.01,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.policy = policy
        self.corpus = corpus
        self.phases = checked_phases(phases, corpus, tokens_per_batch, policy.context)
        self.tokens_per_batch = tokens_per_batch
        self.held_out_documents = held_out_documents
        self.max_refused = max_refused
        self.documents = Documents(policy)
        self.seed = seed
        self.stream = PackStream(
            Mixture(corpus.sources, turns=turns),
            self.encoded,
            packer=Packer(open_packs),
            length=lambda example: expanded_length(policy, example),
            seed=seed,
        )
        self.train: Sequence[Example] = ()  # it is streamed
        self.held_out: dict[str, list[Example]] = {}

    def setup(self, stage: str) -> None:
        """Read what is held out; runs once."""
        if self.held_out:
            return
        trained = {name for phase in self.phases.values() for name in phase.weights}
        self.held_out = {
            name: self._held_out(name) for name in self.corpus.sources if name in trained
        }

    def train_dataloader(self) -> DataLoader:
        """Batches of packs."""
        return OwnRandomLoader(Stream(self, shard_of(self.trainer)), batch_size=None)

    def val_dataloader(self) -> list[DataLoader]:
        """Documents that are not trained on, of each source by itself."""
        shard = shard_of(self.trainer)
        return [
            NamedLoader(name, examples, self._batches(examples), shard)
            for name, examples in self.held_out.items()
            if examples
        ]

    def encoded(self, item: Document | Demonstration, longest: int) -> list[Example]:
        """A document in pieces; a demonstration whole.

        Raises ConfigError for a demonstration that is longer.
        """
        if isinstance(item, Document):
            return self.documents.examples(item, longest)
        found = examples_of(self.policy, item.problem, item.response)
        for example in found:
            if (length := expanded_length(self.policy, example)) > longest:
                raise ConfigError(f"{length} tokens do not fit into a sequence of {longest}")
        return found

    def state_dict(self) -> dict[str, Any]:
        """How far the epoch is, and the stream."""
        return {**super().state_dict(), "stream": self.stream.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on there."""
        super().load_state_dict(state_dict)
        self.stream.load_state_dict(state_dict["stream"])

    def batches_of(self, phase: Phase) -> int:
        """Steps of a phase."""
        return max(1, phase.tokens // (self.packs_of(phase) * phase.sequence_tokens))

    def packs_of(self, phase: Phase) -> int:
        """Sequences of a step."""
        return self.tokens_per_batch // phase.sequence_tokens

    def batches(self, first: int = 0) -> Iterator[list[Pack]]:
        """Those of an epoch, from number `first` on; the stream has to be there."""
        for phase in self.phases.values():
            number = self.batches_of(phase)
            packs = self.stream.packs(phase)
            for _ in range(min(first, number), number):
                batch = list(islice(packs, self.packs_of(phase)))
                if not batch:
                    self.stream.check(self.max_refused)
                    print("every source has given all it has: the epoch ends early", flush=True)
                    return
                yield batch
            first = max(0, first - number)
        self.stream.check(self.max_refused)

    def _held_out(self, name: str) -> list[Example]:
        longest = max(phase.sequence_tokens for phase in self.phases.values())
        found: list[Example] = []
        for _, item in self.corpus.sources[name].read(0, "held_out"):
            if len(found) >= self.held_out_documents:
                break
            if not isinstance(item, Refusal):
                with suppress(ConfigError):  # of training documents such ones are told
                    found += self.encoded(item, longest)
        return found[: self.held_out_documents]

    def _batches(self, examples: list[Example]) -> LengthBuckets:
        lengths = [expanded_length(self.policy, example) for example in examples]
        return LengthBuckets(lengths, self.tokens_per_batch, self.seed)


class Stream(IterableDataset):
    """This rank's part of each batch, from where the run was left. Sized: Lightning reads an
    unsized one ahead.
    """

    def __init__(self, data: CorpusData, shard: Shard) -> None:
        self.data, self.shard = data, shard

    def __len__(self) -> int:
        return sum(map(self.data.batches_of, self.data.phases.values()))

    def __iter__(self) -> Iterator[Share]:
        first, self.data.first_batch = self.data.first_batch, 0
        for batch in self.data.batches(first):
            share = Share(self.shard.of(batch))
            if not share:
                share.append(batch[0])
                share.silent = True
            self.data.stream.check(self.data.max_refused, CHECKED_FROM)
            yield share


class NamedLoader(SharedLoader):
    """Batches that say which source they are of."""

    def __init__(self, name: str, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.name = name

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        for share in super().__iter__():
            share.source = self.name
            yield share


def checked_phases(
    phases: Mapping[str, Phase], corpus: Corpus, tokens_per_batch: int, context: int
) -> dict[str, Phase]:
    """The phases with weights that are shares.

    Raises ConfigError, naming the phase, for one that does not fit into a step or the model's
    context, whose sequences are shorter than those before, or that has no weight.
    """
    if not phases:
        raise ConfigError("datamodule.phases is empty: name at least one")
    phases = {name: phase for name, phase in phases.items() if phase is not None}
    before, checked = 0, {}
    for name, phase in phases.items():
        at = f"datamodule.phases.{name}"
        length = phase.sequence_tokens
        if not 2 <= length <= min(tokens_per_batch, context):
            raise ConfigError(
                f"{at}.sequence_tokens={length}: must be from 2 to what a step has "
                f"(datamodule.tokens_per_batch={tokens_per_batch}), and to the model's context of "
                f"{context}"
            )
        if length < before:
            raise ConfigError(
                f"{at}.sequence_tokens={length}: the phase before has {before}; sequences only grow"
            )
        if phase.tokens < tokens_per_batch:
            raise ConfigError(
                f"{at}.tokens={phase.tokens}: less than a step of "
                f"datamodule.tokens_per_batch={tokens_per_batch}"
            )
        if not 0 <= phase.across <= 1:
            raise ConfigError(f"{at}.across={phase.across}: a share is from 0 to 1")
        weights = checked_weights(phase.weights, corpus.sources, f"{at}.weights")
        checked[name] = replace(phase, weights=weights)
        before = length
    return checked
