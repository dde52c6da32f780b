"""The groups of one iteration while the engine works on them: what it is asked, what came back.

old groups, oldest first ─┐                                           ┌─► complete: the batch
                          ├─► requests, one as soon as a slot is free ─► land
new groups, while wanted ─┘                                           └─► the rest: next time
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice

from k15.engines.protocol import Completion, Request, seed_of
from k15.engines.repetition import first_repetition
from k15.rollouts.plan import RolloutPlan
from k15.shard import Shard
from k15.types import FinishReason, Rollout, RolloutGroup, Segment

ALONE = Shard()


class Flight:
    """Asks for responses until the plan has what it wants; keeps the state of every group.

    Without `plan.cut_unfinished` it asks for all open responses, and for all new groups there are.
    With it there is always something to ask for, until the batch is full; groups that are too old
    by then are finished first. Of what the plan wants, a rank wants its part.
    """

    def __init__(
        self,
        old: Sequence[RolloutGroup],
        new: Iterator[RolloutGroup],
        plan: RolloutPlan,
        iteration: int,
        decode: Callable[[Sequence[int]], str],
        shard: Shard = ALONE,
    ) -> None:
        self.groups, self.new, self.plan, self.decode = list(old), new, plan, decode
        wanted, in_flight = plan.sizes.problems_per_iteration, plan.groups_in_flight
        self.wanted = shard.part(wanted) if plan.cut_unfinished else None
        """Groups that make the batch full; None: it never is."""
        self.under_way = shard.part(in_flight)
        """Groups to work on at a time."""
        self.too_old = {g for g, group in enumerate(old) if is_too_old(group, plan, iteration)}
        """Not to be put off once more."""
        self.complete = [g for g, group in enumerate(old) if group.finished]
        """In the order of their completion."""
        self.queue = deque(place for g in range(len(old)) for place in self._open(g))
        self.open = len(self.queue)
        """Responses that are not finished."""
        self.asked: list[tuple[int, int]] = []
        """Group and rollout of each request,"""
        self.landed = 0
        """and how many of them have come back."""

    @property
    def batch(self) -> list[RolloutGroup]:
        """The complete groups that this iteration hands out, in the order of their completion."""
        return [self.groups[g] for g in self._chosen()]

    @property
    def rest(self) -> list[RolloutGroup]:
        """What stays for the next iteration, oldest first; some may be complete."""
        chosen = set(self._chosen())
        return [group for g, group in enumerate(self.groups) if g not in chosen]

    @property
    def expected(self) -> int:
        """Groups that will be complete, about."""
        return self.wanted or max(len(self.groups), self.under_way)

    @property
    def full(self) -> bool:
        """Whether the batch has the groups that are wanted."""
        return self.wanted is not None and len(self.complete) >= self.wanted

    @property
    def over(self) -> bool:
        """Whether what is unfinished is to be cut where it stands."""
        return self.full and self.too_old <= set(self.complete)

    def requests(self) -> Iterator[Request | None]:
        """Open responses, oldest first, then those of new groups; None: none before one ends."""
        while True:
            if not self.queue and self._has_room():
                self._start()
            if self.queue and (not self.full or self.queue[0][0] in self.too_old):
                yield self._request(*self.queue.popleft())
            elif self.wanted is not None and not self.full and self.landed < len(self.asked):
                yield None
            else:
                return

    def land(self, completion: Completion) -> bool:
        """Take new tokens in; returns whether a group is complete by them."""
        g, r = self.asked[completion.index]
        self.landed += 1
        rollouts = list(self.groups[g].rollouts)
        rollouts[r] = self._extended(rollouts[r], completion)
        group = self.groups[g] = replace(self.groups[g], rollouts=tuple(rollouts))
        if rollouts[r].finish is not None:
            self.open -= 1
        if group.finished:
            self.complete.append(g)
        return group.finished

    def _chosen(self) -> list[int]:
        chosen = self.complete[: self.wanted]
        return chosen + [g for g in self.complete[len(chosen) :] if g in self.too_old]

    def _has_room(self) -> bool:
        """Whether a new group may be started: uncut, always, else as long as not enough responses
        are open.
        """
        if self.wanted is None:
            return True
        responses = self.under_way * self.plan.sizes.samples_per_problem
        return not self.full and self.open < responses

    def _start(self) -> None:
        for group in islice(self.new, 1):
            self.groups.append(group)
            self.queue.extend(self._open(len(self.groups) - 1))
            self.open += len(group.rollouts)

    def _open(self, g: int) -> list[tuple[int, int]]:
        rollouts = self.groups[g].rollouts
        return [(g, r) for r, rollout in enumerate(rollouts) if rollout.finish is None]

    def _request(self, g: int, r: int) -> Request:
        """The rest of a response; the same seed every time makes it one response."""
        self.asked.append((g, r))
        group, rollout = self.groups[g], self.groups[g].rollouts[r]
        budget = self.plan.max_response_tokens - rollout.length
        if self.plan.segment_tokens is not None and g not in self.too_old:
            budget = min(budget, self.plan.segment_tokens)
        return Request(
            tokens=group.prompt_tokens + rollout.tokens,
            images=group.problem.images,
            max_new_tokens=budget,
            seed=seed_of(self.plan.seed, group.number, r),
        )

    def _extended(self, rollout: Rollout, completion: Completion) -> Rollout:
        """Append a completion; a loop that crosses the segment border ends the response too."""
        tokens, finish = completion.tokens, self._finish(rollout, completion)
        if self.plan.repetition is not None:
            end = first_repetition(
                rollout.tokens + tokens, self.plan.repetition, start=rollout.length
            )
            if end is not None:
                tokens, finish = tokens[: end - rollout.length], "repetition"
        if not tokens:  # cut before its first one
            return rollout
        for segment in segments_of(completion, tokens):
            rollout = rollout.extend(segment, finish)
        return rollout if finish is None else replace(rollout, text=self.decode(rollout.tokens))

    def _finish(self, rollout: Rollout, completion: Completion) -> FinishReason | None:
        if completion.finish == "cut":
            return None
        at_limit = rollout.length + len(completion.tokens) >= self.plan.max_response_tokens
        return None if completion.finish == "length" and not at_limit else completion.finish


def segments_of(completion: Completion, tokens: Sequence[int]) -> Iterator[Segment]:
    """The first tokens of a completion, a segment for the weights of each version."""
    versions = completion.versions[: len(tokens)] or (completion.version,) * len(tokens)
    start = 0
    for version, run in groupby(versions):
        end = start + len([*run])
        logps = completion.logps[start:end]
        yield Segment(tokens=tuple(tokens[start:end]), logps=logps, version=version)
        start = end


def is_too_old(group: RolloutGroup, plan: RolloutPlan, iteration: int) -> bool:
    """Whether its first tokens are `plan.max_staleness` iterations old."""
    versions = [rollout.segments[0].version for rollout in group.rollouts if rollout.segments]
    return plan.max_staleness is not None and any(
        iteration - version >= plan.max_staleness for version in versions
    )
