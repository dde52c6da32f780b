"""One iteration's rollouts: responses grow until enough groups are complete; complete ones are
scored meanwhile.

    replay buffer ─► old groups ─┐ one request        ┌─► group complete ─► scored, in a thread
                                 ├─► as soon as a ─► response                     │
    sampler ───────► new groups ─┘ slot is free       └─► enough: stop, cut       ▼
                                                          └─► replay buffer   Experience

Partial rollouts (k1.5 §2.6) keep a long response from holding up an iteration, in two ways that may
be joined: `segment_tokens` bounds what an iteration adds to a response, and `cut_unfinished` ends
the iteration when it has its groups. The collector knows plan and buffer; it knows no model and no
reward.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count, islice
from operator import attrgetter
from typing import Protocol

from k15.engines.protocol import RolloutEngine
from k15.progress import phase
from k15.rollouts.buffer import ReplayBuffer
from k15.rollouts.flight import Flight
from k15.rollouts.landed import Landed, of_all_ranks
from k15.rollouts.metrics import certainty, experience_metrics, outcome_metrics
from k15.rollouts.plan import RolloutPlan
from k15.rollouts.scoring import Score, Scoring
from k15.shard import Shard
from k15.types import Experience, Problem, Rollout, RolloutGroup

REPEATS = 100
"""Draws in a row of problems that are worked on already; then one of them is taken once more."""


class Codec(Protocol):
    """Between problems and token ids; `k15.models.policy.Policy` is one."""

    def encode(self, problem: Problem) -> tuple[int, ...]: ...

    def decode(self, tokens: Sequence[int]) -> str: ...


class Collector:
    """Turns problems into experience, one iteration at a time."""

    def __init__(
        self, engine: RolloutEngine, codec: Codec, score: Score, plan: RolloutPlan
    ) -> None:
        self.engine = engine
        self.codec = codec
        self.score = score
        self.plan = plan
        self.buffer = ReplayBuffer()
        self.shard = Shard()
        """Which of the groups are this process's to work on."""

    def collect(
        self, sampler: Iterator[Problem], iteration: int, version: int | None = None
    ) -> Experience:
        """One iteration: old groups go on, new ones start, complete ones are scored and handed out
        in the order in which they were started; the rest waits in the buffer.

        `version` is that of the engine's weights where they are not yet those of the iteration.
        Each rank works on its groups and comes back with those of all ranks.
        """
        old = self.buffer.take()
        problems = {group.number: group.problem for group in old}
        draws = self._draws(sampler, problems)
        if not self.plan.cut_unfinished:
            draws = islice(draws, max(0, self.plan.groups_in_flight - len(old)))
        landed = self._of_all_ranks(self._fly(old, draws, self.plan, iteration), draws, problems)
        self.buffer.put([*landed.rest])
        metrics = experience_metrics(
            landed.groups,
            landed.scored,
            iteration,
            version=version,
            dropped=len(landed.dropped),
            seconds=landed.seconds,
        )
        metrics["rollout/groups_put_off"] = sum(group.finished for group in landed.rest)
        metrics["rollout/groups_too_old"] = landed.too_old
        groups = tuple(landed.scored)
        return Experience(iteration=iteration, version=version, groups=groups, metrics=metrics)

    def evaluate(self, problems: Sequence[Problem], iteration: int, samples: int = 1) -> Experience:
        """Answer problems once, uncut, with the same random numbers at every iteration."""
        numbered = dict(zip(count(-1, -1), problems, strict=False))
        plan = replace(self.plan, cut_unfinished=False, segment_tokens=None, max_staleness=None)
        mine = [self.start(p, samples, n) for n, p in numbered.items() if self.shard.owns(n)]
        landed = self._of_all_ranks(self._fly(mine, iter(()), plan, iteration), iter(()), numbered)
        metrics = {"reward/groups_dropped": float(len(problems) - len(landed.scored))}
        metrics |= outcome_metrics(landed.scored) | certainty(landed.scored)
        return Experience(iteration=iteration, groups=tuple(landed.scored), metrics=metrics)

    def _draws(
        self, sampler: Iterator[Problem], problems: dict[int, Problem]
    ) -> Iterator[tuple[int, Problem]]:
        """Problems with the numbers of their groups, as all ranks draw them, kept in `problems`.
        None is worked on twice at a time, unless the sampler draws hardly any other one.
        """
        under_way, repeats = {problem.id for problem in problems.values()}, 0
        for problem in sampler:
            if problem.id in under_way and repeats < REPEATS:
                repeats += 1
                continue
            repeats, number = 0, self.buffer.next_number()
            problems[number] = problem
            under_way.add(problem.id)
            yield number, problem

    def _fly(
        self,
        old: Sequence[RolloutGroup],
        draws: Iterator[tuple[int, Problem]],
        plan: RolloutPlan,
        iteration: int,
    ) -> Landed:
        """Work on this rank's groups, old ones and drawn ones."""
        samples = plan.sizes.samples_per_problem
        mine = [group for group in old if self.shard.owns(group.number)]
        new = (self.start(p, samples, n) for n, p in draws if self.shard.owns(n))
        flight = Flight(mine, new, plan, iteration, self.codec.decode, self.shard)
        scored, seconds = self.run(flight)
        known = {group.number for group in scored}
        return Landed(
            scored=scored,
            dropped=[group for group in flight.batch if group.number not in known],
            rest=flight.rest,
            too_old=len(flight.too_old),
            started=self.buffer.started,
            seconds=seconds,
        )

    def _of_all_ranks(
        self,
        landed: Landed,
        draws: Iterator[tuple[int, Problem]],
        problems: Mapping[int, Problem],
    ) -> Landed:
        """What all ranks have brought; a rank that drew less draws as much, unused."""
        together = of_all_ranks(landed, self.shard)
        while self.buffer.started < together.started:
            next(draws)
        return together.with_problems(lambda group: problems[group.number])

    def start(self, problem: Problem, samples: int, number: int) -> RolloutGroup:
        """A group of responses that have no token yet."""
        prompt, rollouts = self.codec.encode(problem), (Rollout(),) * samples
        return RolloutGroup(problem=problem, prompt_tokens=prompt, rollouts=rollouts, number=number)

    def run(self, flight: Flight) -> tuple[list[RolloutGroup], dict[str, float]]:
        """Generate and score; the scored groups, oldest first, and the seconds of each phase.

        Groups whose grader broke are left out: no iteration waits for others in their place.
        """
        plan, started = self.plan, time.perf_counter()
        with Scoring(
            self.score, threads=plan.scoring_threads, deadline=plan.scoring_seconds
        ) as scoring:
            scoring.submit(flight.batch)  # what was complete when the last iteration was over
            with phase("rollout", flight.expected, " groups") as progress:
                for completion in self.engine.generate(flight.requests(), plan.sampling()):
                    if flight.land(completion):
                        scoring.submit(flight.batch)
                        progress.update()
                    if flight.over:
                        self.engine.stop()
            rolled_out = time.perf_counter()
            scored = [group for group in scoring.results() if group is not None]
        seconds = {
            "rollout": rolled_out - started,
            "reward": time.perf_counter() - rolled_out,
            "reward_hidden": scoring.hidden(until=rolled_out),
        }
        return sorted(scored, key=attrgetter("number")), seconds
