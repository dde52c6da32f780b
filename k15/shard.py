"""How many processes share the work, and which part of it is this one's: `Shard`.

Whatever is divided (problems to answer, groups to train on, samples of a benchmark) is divided by a
shard, and what the parts add up to goes back to all. So nothing else knows how many ranks there
are, and results do not depend on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from lightning.pytorch import Trainer
    from torch import Tensor

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Shard:
    """The part of one rank: of what is numbered, every `world`-th, from `rank` on."""

    rank: int = 0
    world: int = 1
    group: Any = None
    """torch's process group of these ranks; None: all there are."""

    def owns(self, number: int) -> bool:
        """Whether what has this number is this rank's."""
        return number % self.world == self.rank

    def of(self, items: Sequence[Item]) -> Iterator[Item]:
        """This rank's items; no other one is looked at."""
        return (items[place] for place in range(self.rank, len(items), self.world))

    def part(self, total: int) -> int:
        """How many of so many are this rank's."""
        return len(range(self.rank, total, self.world))

    def balanced(self, costs: Sequence[float]) -> list[list[int]]:
        """Places of `costs` for each rank, so that the ranks' sums are about the same: the dearest
        first, each to the rank that has least so far. Places of a rank ascend.
        """
        parts: list[list[int]] = [[] for _ in range(self.world)]
        sums = [0.0] * self.world
        for place in sorted(range(len(costs)), key=lambda place: (-costs[place], place)):
            least = sums.index(min(sums))
            parts[least].append(place)
            sums[least] += costs[place]
        return [sorted(part) for part in parts]

    def apart(self, seconds: float) -> Shard:
        """The same part, for another thread: what it gathers does not meet what this one does. All
        ranks have to call; `seconds` are the new process group's timeout.
        """
        if self.world == 1:
            return self
        from torch import distributed

        ranks = distributed.get_process_group_ranks(self.group)
        group = distributed.new_group(
            ranks,
            timeout=timedelta(seconds=seconds),
            backend="gloo",
            use_local_synchronization=True,
        )
        return replace(self, group=group)

    def gathered(self, item: Item) -> list[Item]:
        """The items of all ranks, in their order; all of them have to call. What can be pickled.

        Raises RuntimeError if a rank does not come within the process group's timeout.
        """
        if self.world == 1:
            return [item]
        from torch import distributed

        items: list[Any] = [None] * self.world
        distributed.all_gather_object(items, item, group=self.group)
        return items

    def summed(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks, in place; all of them have to call, as for `gathered`."""
        if self.world > 1:
            from torch import distributed

            distributed.all_reduce(tensor, group=self.group)
        return tensor


def shard_of(trainer: Trainer | None) -> Shard:
    """The part of the data that this process of a Trainer has, which must have been set up.

    Ranks that compute layers together (tensor parallel) have the same data.
    """
    strategy = None if trainer is None else trainer.strategy
    found = getattr(strategy, "distributed_sampler_kwargs", None)
    if found is None:
        return Shard()
    mesh = getattr(strategy, "device_mesh", None)
    group = None if mesh is None else mesh["data_parallel"].get_group()
    return Shard(rank=found["rank"], world=found["num_replicas"], group=group)


def everyone(trainer: Trainer | None) -> Shard:
    """The part of this process where each can work by itself, as all can that have an engine."""
    return Shard() if trainer is None else Shard(trainer.global_rank, trainer.world_size)
