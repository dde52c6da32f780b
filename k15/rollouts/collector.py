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
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Protocol

from k15.engines.protocol import RolloutEngine
from k15.progress import phase
from k15.rollouts.buffer import ReplayBuffer
from k15.rollouts.flight import Flight
from k15.rollouts.metrics import certainty, experience_metrics, outcome_metrics
from k15.rollouts.plan import RolloutPlan
from k15.rollouts.scoring import Score, Scoring
from k15.types import Experience, Problem, Rollout, RolloutGroup


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

    def collect(self, sampler: Iterator[Problem], iteration: int) -> Experience:
        """One iteration: old groups go on, new ones start, complete ones are scored and handed out
        in the order in which they were started; the rest waits in the buffer.
        """
        samples = self.plan.sizes.samples_per_problem
        new = (self.start(problem, samples, self.buffer.next_number()) for problem in sampler)
        flight = Flight(self.buffer.take(), new, self.plan, iteration, self.codec.decode)
        scored, seconds = self.run(flight)
        self.buffer.put(flight.rest)
        dropped = len(flight.batch) - len(scored)
        metrics = experience_metrics(
            flight.groups, scored, iteration, dropped=dropped, seconds=seconds
        )
        metrics["rollout/groups_put_off"] = sum(group.finished for group in flight.rest)
        metrics["rollout/groups_too_old"] = len(flight.too_old)
        return Experience(iteration=iteration, groups=tuple(scored), metrics=metrics)

    def evaluate(self, problems: Sequence[Problem], iteration: int, samples: int = 1) -> Experience:
        """Answer problems once, uncut, with the same random numbers at every iteration."""
        groups = [self.start(problem, samples, -n) for n, problem in enumerate(problems, start=1)]
        plan = replace(self.plan, cut_unfinished=False, segment_tokens=None, max_staleness=None)
        scored, _ = self.run(Flight(groups, iter(()), plan, iteration, self.codec.decode))
        metrics = {"reward/groups_dropped": float(len(groups) - len(scored))}
        metrics |= outcome_metrics(scored) | certainty(scored)
        return Experience(iteration=iteration, groups=tuple(scored), metrics=metrics)

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
