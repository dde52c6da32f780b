"""One iteration's rollouts: start problems, grow every open response by one segment, score what has
ended.

    sampler ──► new groups ──┐
                             ├─► engine.generate ─► ended? ──yes──► group complete? ─yes─► score ─►
                             Experience
    replay buffer ─► old ────┘   one segment each      └──────no───────────┴────► replay buffer

A segment is at most `segment_tokens` long, so one long response never holds up an iteration (k1.5
§2.6, partial rollouts). The collector knows segments, budgets, repetition and the buffer; it knows
no model and no reward.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

from k15.engines.protocol import Completion, Repetition, Request, RolloutEngine, Sampling
from k15.engines.repetition import first_repetition
from k15.progress import phase
from k15.rollouts.buffer import ReplayBuffer
from k15.rollouts.metrics import certainty, experience_metrics, outcome_metrics
from k15.sizes import Sizes
from k15.types import Experience, FinishReason, Problem, Rollout, RolloutGroup, Segment

Score = Callable[[RolloutGroup], RolloutGroup | None]
"""Scores a finished group; None where the grader broke and the group is dropped."""


class Codec(Protocol):
    """Between problems and token ids; `k15.models.policy.Policy` is one."""

    def encode(self, problem: Problem) -> tuple[int, ...]: ...

    def decode(self, tokens: Sequence[int]) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """The sizes of an iteration and how responses are drawn.

    Raises ValueError for sizes that cannot work, naming field and value.
    """

    sizes: Sizes
    max_response_tokens: int = 128
    """A response is cut here."""
    segment_tokens: int | None = None
    """Output tokens per response and iteration; None: responses are never split."""
    oversampling: float = 1.0
    """Groups in flight per `problems_per_iteration`; above 1, more groups end while old ones
    finish.
    """
    temperature: float = 1.0
    top_p: float = 1.0
    repetition: Repetition | None = None
    """When a response counts as repeating itself and is ended; None: never."""
    seed: int = 0

    def __post_init__(self) -> None:
        Sampling(temperature=self.temperature, top_p=self.top_p)  # says what is wrong with them
        if self.temperature == 0:
            raise ValueError(
                "temperature=0: greedy responses to a problem are all the same, and have no "
                "probability to train on; take a temperature above 0, usually 1"
            )
        for name in ("max_response_tokens", "segment_tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}={value}: must be at least 1")
        if self.oversampling < 1:
            raise ValueError(
                f"oversampling={self.oversampling}: must be at least 1 (1 turns it off)"
            )

    @property
    def groups_in_flight(self) -> int:
        """New and old groups that an iteration works on."""
        return math.ceil(self.sizes.problems_per_iteration * self.oversampling)


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
        """One iteration: new and unfinished groups grow by a segment; the finished ones are
        scored.
        """
        started = time.perf_counter()
        groups = self.buffer.take()
        new = max(0, self.plan.groups_in_flight - len(groups))
        groups += [
            self.start(problem, self.plan.sizes.samples_per_problem)
            for problem in islice(sampler, new)
        ]
        groups = self.grow(
            groups, self.plan.segment_tokens, seed=1_000_003 * self.plan.seed + iteration
        )
        self.buffer.put([group for group in groups if not group.finished])
        rolled_out = time.perf_counter()
        finished = [group for group in groups if group.finished]
        scored = self.score_all(finished)
        seconds = {"rollout": rolled_out - started, "reward": time.perf_counter() - rolled_out}
        dropped = len(finished) - len(scored)
        metrics = experience_metrics(groups, scored, iteration, dropped=dropped, seconds=seconds)
        return Experience(iteration=iteration, groups=tuple(scored), metrics=metrics)

    def evaluate(self, problems: Sequence[Problem], iteration: int, samples: int = 1) -> Experience:
        """Answer problems once, uncut, with the same random numbers at every iteration."""
        groups = [self.start(problem, samples) for problem in problems]
        scored = self.score_all(self.grow(groups, None, seed=self.plan.seed))
        metrics = {"reward/groups_dropped": float(len(groups) - len(scored))}
        metrics |= outcome_metrics(scored) | certainty(scored)
        return Experience(iteration=iteration, groups=tuple(scored), metrics=metrics)

    def start(self, problem: Problem, samples: int) -> RolloutGroup:
        """A group of responses that have no token yet."""
        prompt = self.codec.encode(problem)
        return RolloutGroup(problem=problem, prompt_tokens=prompt, rollouts=(Rollout(),) * samples)

    def grow(
        self, groups: list[RolloutGroup], segment_tokens: int | None, seed: int
    ) -> list[RolloutGroup]:
        """Every unfinished rollout with one more segment of at most `segment_tokens`."""
        open_rollouts = [
            (g, r)
            for g, group in enumerate(groups)
            for r, rollout in enumerate(group.rollouts)
            if rollout.finish is None
        ]
        requests = [
            self._request(groups[g], groups[g].rollouts[r], segment_tokens)
            for g, r in open_rollouts
        ]
        sampling = Sampling(
            temperature=self.plan.temperature,
            top_p=self.plan.top_p,
            seed=seed,
            repetition=self.plan.repetition,
        )
        grown = [list(group.rollouts) for group in groups]
        with phase("rollout", total=len(requests), unit=" responses") as progress:
            for completion in self.engine.generate(requests, sampling):
                g, r = open_rollouts[completion.index]
                grown[g][r] = self._extend(grown[g][r], completion)
                progress.update()
        return [
            replace(group, rollouts=tuple(rollouts))
            for group, rollouts in zip(groups, grown, strict=True)
        ]

    def score_all(self, groups: list[RolloutGroup]) -> list[RolloutGroup]:
        """Score finished groups; those whose grader broke are left out."""
        with phase("reward", len(groups), " groups") as progress:
            scored = []
            for group in groups:
                scored.append(self.score(group))
                progress.update()
        return [group for group in scored if group is not None]

    def _request(
        self, group: RolloutGroup, rollout: Rollout, segment_tokens: int | None
    ) -> Request:
        left = self.plan.max_response_tokens - rollout.length
        return Request(
            tokens=group.prompt_tokens + rollout.tokens,
            images=group.problem.images,
            max_new_tokens=min(left, segment_tokens or left),
        )

    def _extend(self, rollout: Rollout, completion: Completion) -> Rollout:
        """Append a completion; a loop that crosses the segment border ends the response too."""
        tokens, finish = completion.tokens, self._finish(rollout, completion)
        if self.plan.repetition is not None:
            end = first_repetition(
                rollout.tokens + tokens, self.plan.repetition, start=rollout.length
            )
            if end is not None:
                tokens, finish = tokens[: end - rollout.length], "repetition"
        segment = Segment(
            tokens=tokens, logps=completion.logps[: len(tokens)], version=completion.version
        )
        rollout = rollout.extend(segment, finish)
        return (
            rollout if finish is None else replace(rollout, text=self.codec.decode(rollout.tokens))
        )

    def _finish(self, rollout: Rollout, completion: Completion) -> FinishReason | None:
        at_limit = rollout.length + len(completion.tokens) >= self.plan.max_response_tokens
        return None if completion.finish == "length" and not at_limit else completion.finish
