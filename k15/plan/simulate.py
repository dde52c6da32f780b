"""Iterations of RL on a cluster that is not there: the collector itself, over engines with clocks.

Each rank has a thread, an engine and a collector, which share groups as ranks do. So the rules are
those of training: slots, groups, segments, what is cut and waits, what becomes too old.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from statistics import mean
from typing import Any

from k15.engines.protocol import Request, seed_of
from k15.plan.costs import Costs, Work
from k15.plan.engine import CostedEngine
from k15.plan.lengths import Group, Lengths
from k15.rollouts.collector import Collector
from k15.rollouts.plan import RolloutPlan
from k15.shard import Shard
from k15.types import Problem, RolloutGroup

TOKENS = 1_000_000
"""About so many are simulated per iteration; above it several count as one."""
DEADLINE = 600.0
"""Seconds for which a thread waits for the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollouts:
    """An iteration's, as a clock has it."""

    seconds: float
    """Of the slowest rank."""
    tokens: int
    """That were generated, on all ranks."""
    busy: float
    """Share of all ranks' slots that were generating, over the whole time in steps."""
    groups: tuple[RolloutGroup, ...]
    """That are trained on."""


class Exchange:
    """Where the threads of all ranks meet."""

    def __init__(self, world: int) -> None:
        self.items: list[Any] = [None] * world
        self.barrier = threading.Barrier(world, timeout=DEADLINE)

    def gathered(self, rank: int, item: Any) -> list[Any]:
        """The items of all of them."""
        self.items[rank] = item
        self.barrier.wait()
        items = list(self.items)
        self.barrier.wait()
        return items


class ThreadShard(Shard):
    """The part of a rank that is a thread; `group` is where they meet."""

    def gathered(self, item: Any) -> list[Any]:
        """Of all ranks."""
        return [item] if self.world == 1 else self.group.gathered(self.rank, item)


class Numbers:
    """A codec in which a prompt begins with the number of its group and its own length."""

    def __init__(self, lengths: Lengths, samples: int, unit: int) -> None:
        self.lengths, self.samples, self.unit = lengths, samples, unit

    def encode(self, problem: Problem) -> tuple[int, ...]:
        number = int(problem.id)
        length = max(2, self.of(number).prompt)
        return (number, length, *(0,) * (length - 2))

    def decode(self, tokens: Sequence[int]) -> str:
        return ""

    def of(self, number: int) -> Group:
        """A group's lengths, in units, a token at least."""
        group = self.lengths.group(number, self.samples)
        responses = tuple(-(-length // self.unit) for length in group.responses)
        return replace(group, prompt=-(-group.prompt // self.unit), responses=responses)


class Rank:
    """A collector and its engine."""

    def __init__(
        self,
        shard: Shard,
        plan: RolloutPlan,
        lengths: Lengths,
        costs: Costs,
        work: Work,
        slots: int,
        unit: int,
    ) -> None:
        self.plan, self.samples = plan, plan.sizes.samples_per_problem
        self.codec = Numbers(lengths, self.samples, unit)
        self.samples_of: dict[int, dict[int | None, int]] = {}
        self.engine = CostedEngine(self.rest, costs, work, slots=slots, unit=unit)
        self.collector = Collector(self.engine, self.codec, self.rewarded, plan)
        self.collector.shard = shard
        self.problems = (Problem(id=str(n), prompt=(), answer="") for n in count())

    def iteration(self, number: int) -> tuple[float, float, int, tuple[RolloutGroup, ...]]:
        """Seconds, steps, tokens, and the groups of all ranks."""
        engine = self.engine
        before = engine.seconds, engine.steps, engine.tokens
        engine.load_weights((), number)
        groups = self.collector.collect(self.problems, number).groups
        seconds, steps = engine.seconds - before[0], engine.steps - before[1]
        return seconds, steps, engine.tokens - before[2], groups

    def rest(self, request: Request) -> int:
        """Tokens that are left of the response that a request begins or goes on with."""
        number, prompt, *_ = request.tokens
        sample = self.sample(number, request.seed)
        return self.codec.of(number).responses[sample] - (len(request.tokens) - prompt)

    def sample(self, number: int, seed: int | None) -> int:
        """Which of a group's samples a request is: the collector tells them apart by seeds."""
        if number not in self.samples_of:
            self.samples_of[number] = {
                seed_of(self.plan.seed, number, r): r for r in range(self.samples)
            }
        return self.samples_of[number][seed]

    def rewarded(self, group: RolloutGroup) -> RolloutGroup:
        """With rewards that differ where the group carries a signal."""
        signal = self.codec.of(group.number).signal
        reward = tuple(float(signal and not i) for i in range(len(group.rollouts)))
        return replace(group, reward=reward, outcome=reward)


def simulate(
    plan: RolloutPlan,
    lengths: Lengths,
    costs: Costs,
    work: Work,
    *,
    ranks: int,
    slots: int,
    iterations: int,
    first: int = 0,
) -> list[Rollouts]:
    """So many iterations, without the `first` ones."""
    unit = unit_of(plan, lengths)
    plan = in_units(plan, unit)
    exchange = Exchange(ranks)
    everyone = [
        Rank(ThreadShard(rank, ranks, exchange), plan, lengths, costs, work, slots, unit)
        for rank in range(ranks)
    ]
    found = []
    with ThreadPoolExecutor(ranks) as pool:
        for number in range(first + iterations):
            waiting = [pool.submit(told, rank, number, exchange) for rank in everyone]
            done = [future.result() for future in waiting]
            seconds = max(each[0] for each in done)
            steps = max(each[1] for each in done)
            tokens = sum(each[2] for each in done)
            busy = tokens / max(1.0, steps * slots * ranks)
            found.append(
                Rollouts(seconds=seconds, tokens=tokens * unit, busy=busy, groups=done[0][3])
            )
    return found[first:]


def told(rank: Rank, number: int, exchange: Exchange) -> Any:
    """One iteration; the others are told if it fails."""
    try:
        return rank.iteration(number)
    except BaseException:
        exchange.barrier.abort()
        raise


def unit_of(plan: RolloutPlan, lengths: Lengths) -> int:
    """Tokens that count as one."""
    samples = plan.sizes.samples_per_problem
    drawn = [length for n in range(100) for length in lengths.group(n, samples).responses]
    tokens = mean(drawn) * samples * plan.sizes.problems_per_iteration
    return max(1, round(tokens / TOKENS))


def in_units(plan: RolloutPlan, unit: int) -> RolloutPlan:
    """The plan of such tokens; zeros over and over are no repetition."""
    segment = plan.segment_tokens
    return replace(
        plan,
        repetition=None,
        max_response_tokens=-(-plan.max_response_tokens // unit),
        segment_tokens=None if segment is None else max(1, segment // unit),
    )
