"""What the flights of all ranks have brought: each rank ends up with all of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from k15.shard import Shard
from k15.types import Problem, RolloutGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class Landed:
    """The groups of one iteration, of one rank or of all of them, oldest first."""

    scored: Sequence[RolloutGroup]
    """Complete and handed out."""
    dropped: Sequence[RolloutGroup] = ()
    """Complete, but their grader broke."""
    rest: Sequence[RolloutGroup] = ()
    """For the next iteration."""
    too_old: int = 0
    """Groups that could not be put off once more."""
    started: int = 0
    """Groups of the run for which a problem was drawn."""
    seconds: Mapping[str, float]
    """Of each phase; of several ranks those of the slowest."""

    @property
    def groups(self) -> list[RolloutGroup]:
        """All that was worked on."""
        return [*self.scored, *self.dropped, *self.rest]

    def with_problems(self, find: Callable[[RolloutGroup], Problem]) -> Landed:
        """The same with other problems."""

        def changed(groups: Sequence[RolloutGroup]) -> list[RolloutGroup]:
            return [replace(group, problem=find(group)) for group in groups]

        scored, dropped, rest = map(changed, (self.scored, self.dropped, self.rest))
        return replace(self, scored=scored, dropped=dropped, rest=rest)


def of_all_ranks(landed: Landed, shard: Shard) -> Landed:
    """What all ranks have brought together, the same for each of them.

    A problem travels as its id: put it back with `with_problems`, for ranks draw the same ones.
    """
    if shard.world == 1:
        return landed
    parts = shard.gathered(landed.with_problems(_name_alone))
    return Landed(
        scored=_joined([part.scored for part in parts]),
        dropped=_joined([part.dropped for part in parts]),
        rest=_joined([part.rest for part in parts]),
        too_old=sum(part.too_old for part in parts),
        started=max(part.started for part in parts),
        seconds={name: max(part.seconds[name] for part in parts) for name in landed.seconds},
    )


def _name_alone(group: RolloutGroup) -> Problem:
    return Problem(id=group.problem.id, prompt=(), answer=None)


def _joined(parts: Sequence[Sequence[RolloutGroup]]) -> list[RolloutGroup]:
    return sorted((group for part in parts for group in part), key=attrgetter("number"))
