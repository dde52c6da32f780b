"""Loaders for training that goes on in the middle of an epoch, and on several ranks.

    batch sampler ─► indices of a batch ─► PartOfEach: those of this rank ─► ByBatch: the items

A batch is that of all ranks together, so that the steps of an epoch are the same however many there
are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset, Sampler

from k15.shard import Shard
from k15.types import Share


class ResumableData(LightningDataModule):
    """Remembers in checkpoints how far the epoch was.

    A loader's own state would come too late: where a schedule asks how many steps there will be,
    Lightning makes the loader before it restores loaders.
    """

    first_batch = 0
    """Where the next epoch begins."""

    def state_dict(self) -> dict[str, int]:
        """How many batches of the running epoch have been given."""
        trainer = self.trainer
        assert trainer is not None
        return {"batches": 0 if trainer.is_last_batch else trainer.fit_loop.batch_idx + 1}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Begin behind them."""
        self.first_batch = state_dict["batches"]


class PartOfEach(Sampler[list[int]]):
    """Of each batch of indices the part of one rank; where that is nothing, a silent index."""

    def __init__(self, batches: Iterable[list[int]], shard: Shard) -> None:
        self.batches = batches
        self.shard = shard

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[Share]:
        for batch in self.batches:
            share = Share(self.shard.of(batch))
            if not share:
                share.append(batch[0])
                share.silent = True
            yield share

    def set_epoch(self, epoch: int) -> None:
        """For a sampler that wants to know."""
        if set_epoch := getattr(self.batches, "set_epoch", None):
            set_epoch(epoch)


class ByBatch(Dataset[Any]):
    """Items that are asked for by the indices of a batch; `join` makes a list of them."""

    def __init__(
        self, items: Sequence[Any], join: Callable[[Sequence[Any]], list[Any]] = list
    ) -> None:
        self.items = items
        self.join = join

    def __len__(self) -> int:
        return len(self.items)

    def __getitems__(self, indices: Share) -> Share:
        """What torch calls with what a batch sampler yields."""
        share = Share(self.join([self.items[index] for index in indices]))
        share.silent = indices.silent
        return share


def as_it_is(batch: Share) -> Share:
    """What `ByBatch` makes needs no collating."""
    return batch


class OwnRandomLoader(DataLoader):
    """Draws nothing from torch's global random state, as a plain DataLoader does when it begins: a
    resumed run would draw once more, and one that is validated more often, too.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options["generator"] = options.get("generator") or torch.Generator()
        super().__init__(*arguments, **options)


class SharedLoader(OwnRandomLoader):
    """This rank's part of each of the batches."""

    def __init__(
        self,
        items: Sequence[Any],
        batches: Iterable[list[int]],
        shard: Shard,
        join: Callable[[Sequence[Any]], list[Any]] = list,
    ) -> None:
        of_each = PartOfEach(batches, shard)
        super().__init__(ByBatch(items, join), batch_sampler=of_each, collate_fn=as_it_is)


class ResumableLoader(SharedLoader):
    """The training batches of the data it is `within`, in an order that is the same every time for
    the same epoch.
    """

    def __init__(self, *arguments: Any, within: ResumableData, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.within = within

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """The rest of the epoch that was interrupted; afterwards whole ones.

        A batch sampler is told which epoch it is, if it wants to know.
        """
        epoch = self.within.trainer.current_epoch if self.within.trainer else 0
        self.batch_sampler.set_epoch(epoch)  # type: ignore[union-attr]
        first, self.within.first_batch = self.within.first_batch, 0
        yield from islice(super().__iter__(), first, None)
