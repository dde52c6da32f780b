"""All rewards of a run on one group: outcome first, then shaping, then the weighted sum.

The outcome (accuracy, success rates) is a share from 0 to 1, and with several outcome rewards the
lowest of theirs. The reward that is trained on is the weighted sum of all parts.

group ──► outcome rewards ──► group with outcome ──► shaping rewards ──► parts, reward, outcome
                 │ GraderFailure: again, then dropped and counted; too many: the run stops
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import SupportsFloat

from k15.graders.base import GraderFailure, retried
from k15.progress import waiting_for
from k15.rewards.base import RewardCallback
from k15.types import Problem, RolloutGroup

logger = logging.getLogger(__name__)


class RewardError(ValueError):
    """A reward returned something else than one finite number per rollout."""


class Scorer:
    """Composes named rewards; within a kind they are scored in the order of the mapping.

    Example: `Scorer({"math": MathReward(), "length": LengthReward(weight=0.5)}).score(group)`

    `seen` and `dropped` count the groups of an iteration and those that could not be graded; call
    `start_iteration` before the first group of each. Any thread may call `score`, if the rewards
    can be called from any.
    """

    def __init__(
        self,
        rewards: Mapping[str, RewardCallback],
        *,
        retries: int = 2,
        backoff: float = 0.5,
        max_dropped: float = 0.1,
    ) -> None:
        """Compose `rewards`, each under the name by which its part is logged.

        Args:
            rewards: at least one outcome reward for each domain in the data.
            retries: how often a reward is asked again after a GraderFailure.
            backoff: seconds before the first retry, doubled for each further one.
            max_dropped: share of an iteration's groups; one drop is always forgiven.
        """
        self.rewards = dict(rewards)
        self.retries = retries
        self.backoff = backoff
        self.max_dropped = max_dropped
        self.seen = self.dropped = 0
        self.counting = Lock()

    def start_iteration(self) -> None:
        """Count from zero, unless not one group could be graded: then the count goes on."""
        if self.dropped < self.seen:
            self.seen = self.dropped = 0

    def refusals(self, problems: Iterable[Problem]) -> dict[str, str]:
        """Why each problem that cannot be graded cannot, by id; empty if all can."""
        reasons = {}
        for problem in problems:
            try:
                for name, reward in self._applicable(problem).items():
                    with noted(name, problem):
                        reward.check(problem)
            except ValueError as error:
                reasons[problem.id] = str(error)
        return reasons

    def score(self, group: RolloutGroup) -> RolloutGroup | None:
        """The group with `parts`, `reward` and `outcome`; None if it was dropped.

        Raises:
            ValueError: no outcome reward applies to the problem's domain.
            RewardError: a reward did not return one finite number per rollout, or an outcome
                reward one that is no share.
            GraderFailure: more than `max_dropped` of the groups were dropped.
            Exception: whatever a reward raises, with a note naming the reward and the problem.
        """
        rewards = self._applicable(group.problem)
        with self.counting:
            self.seen += 1
        try:
            return self._score(rewards, group)
        except GraderFailure as failure:
            self._drop(group.problem, failure)
            return None

    def _score(self, rewards: Mapping[str, RewardCallback], group: RolloutGroup) -> RolloutGroup:
        group = replace(group, parts={}, reward=(0.0,) * len(group.rollouts), outcome=())
        for name, reward in sorted(rewards.items(), key=lambda item: not item[1].outcome):
            values = self._ask(name, reward, group)
            group = replace(
                group,
                parts={**group.parts, name: values},
                reward=added(group.reward, values, reward.weight),
                outcome=agreed(group.outcome, values, name) if reward.outcome else group.outcome,
            )
        return group

    def _ask(self, name: str, reward: RewardCallback, group: RolloutGroup) -> tuple[float, ...]:
        def ask() -> tuple[float, ...]:
            what = f"reward {name!r} on problem {group.problem.id!r}"
            with noted(name, group.problem), waiting_for(what):
                values = reward.score(group)
            return one_per_rollout(values, name, group)

        return retried(ask, retries=self.retries, backoff=self.backoff)

    def _drop(self, problem: Problem, failure: GraderFailure) -> None:
        logger.warning("problem %s dropped, its grader failed: %s", problem.id, failure)
        with self.counting:
            self.dropped += 1
        if self.dropped > max(1, self.max_dropped * self.seen):
            raise GraderFailure(
                f"{self.dropped} of {self.seen} groups of this iteration could not be graded, "
                f"max_dropped={self.max_dropped}; the last one because: {failure}"
            ) from failure

    def _applicable(self, problem: Problem) -> dict[str, RewardCallback]:
        rewards = {n: reward for n, reward in self.rewards.items() if reward.applies_to(problem)}
        if not any(reward.outcome for reward in rewards.values()):
            there = [
                f"{name} ({'outcome' if reward.outcome else 'shaping'}, "
                f"domains {'all' if reward.domains is None else ' '.join(reward.domains)})"
                for name, reward in self.rewards.items()
            ]
            raise ValueError(
                f"domain {problem.domain!r} has no outcome reward; there are: "
                f"{', '.join(there) or 'none'}. Add one, or widen the domains of one"
            )
        return rewards


@contextmanager
def noted(name: str, problem: Problem) -> Iterator[None]:
    """Let an exception say which reward and which problem it comes from."""
    try:
        yield
    except Exception as error:
        error.add_note(f"raised by reward {name!r} on problem {problem.id!r}")
        raise


def one_per_rollout(values: object, name: str, group: RolloutGroup) -> tuple[float, ...]:
    """[G] the values as floats; RewardError unless they are one finite number per rollout."""
    where = f"reward {name!r} on problem {group.problem.id!r}"
    if not isinstance(values, Iterable):
        raise RewardError(f"{where}: expected {len(group.rollouts)} values, got {values!r}")
    values = list(values)
    if len(values) != len(group.rollouts):
        raise RewardError(f"{where}: expected {len(group.rollouts)} values, got {len(values)}")
    for index, value in enumerate(values):
        if not isinstance(value, SupportsFloat) or not math.isfinite(float(value)):
            raise RewardError(f"{where}: rollout {index} got {value!r}, not a finite number")
    return tuple(float(value) for value in values)


def agreed(outcome: tuple[float, ...], values: tuple[float, ...], name: str) -> tuple[float, ...]:
    """[G] what all verifiers so far agree on, which is what the strictest one says: a response is
    right (1) if each of them says so. RewardError unless the values are shares, from 0 to 1.
    """
    for index, value in enumerate(values):
        if not 0 <= value <= 1:
            raise RewardError(
                f"reward {name!r}: rollout {index} got {value}, but an outcome is a share from 0 "
                "(wrong) to 1 (correct); scale it with weight, or shape with a reward of its own"
            )
    return tuple(map(min, outcome, values)) if outcome else values


def added(totals: tuple[float, ...], values: tuple[float, ...], weight: float) -> tuple[float, ...]:
    """[G] totals + weight · values."""
    return tuple(total + weight * value for total, value in zip(totals, values, strict=True))
