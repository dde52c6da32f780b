"""Which problem comes next: uniform, easy first, by failure rate, or several of these at once (k1.5
§2.3.4).

A sampler gives every problem of the pool a weight; draws follow the weights, and the collector
passes over problems that are worked on already. An own sampler overrides `weights`, and `observe`
if it learns from results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any

import numpy as np

from k15.types import Problem, RolloutGroup


class Sampler(Iterator[Problem]):
    """Uniform over the pool, and the base of all samplers."""

    problems: Sequence[Problem] = ()
    iteration: int = 0

    def bind(self, problems: Sequence[Problem], seed: int) -> None:
        """Take the pool; called once, before anything is drawn."""
        self.problems = problems
        self.rng = Random(seed)

    def weights(self) -> np.ndarray:
        """[N] unnormalised probability of each problem of the pool at `self.iteration`."""
        return np.ones(len(self.problems))

    def observe(self, group: RolloutGroup) -> None:
        """Learn from a scored group."""

    def metrics(self) -> dict[str, float]:
        """What TensorBoard shows of the sampler."""
        return {}

    def __next__(self) -> Problem:
        cumulative = np.cumsum(self.weights())
        if not cumulative[-1] > 0:
            raise ValueError(
                f"{type(self).__name__} gives no problem a weight above 0 at iteration "
                f"{self.iteration}"
            )
        place = np.searchsorted(cumulative, self.rng.random() * cumulative[-1], side="right")
        return self.problems[int(place)]

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next draw depends on, in plain numbers."""
        version, numbers, gauss = self.rng.getstate()
        return {"rng": [version, list(numbers), gauss]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue exactly where `state_dict` was taken."""
        version, numbers, gauss = state["rng"]
        self.rng.setstate((version, tuple(numbers), gauss))


class Uniform(Sampler):
    """Every problem with the same probability."""


class Prioritized(Sampler):
    """Problems in proportion to 1 − s, s being their running success rate (k1.5 §2.3.4).

    `floor` keeps solved problems in the game; `memory` is the share of the old rate that stays
    when a new group is seen. A problem never seen has s = 0.
    """

    def __init__(self, floor: float = 0.05, memory: float = 0.5) -> None:
        if not 0 < floor <= 1:
            raise ValueError(
                f"sampler.floor={floor}: must be above 0 and at most 1, so that nothing starves"
            )
        check_memory(memory)
        self.floor = floor
        self.memory = memory
        self.success: dict[str, float] = {}

    def weights(self) -> np.ndarray:
        """max(floor, 1 − s)"""
        rates = [self.success.get(problem.id, 0.0) for problem in self.problems]
        return np.maximum(self.floor, 1 - np.array(rates))

    def observe(self, group: RolloutGroup) -> None:
        """s ← memory·s + (1 − memory)·success rate of the group; the first group sets s."""
        old = self.success.get(group.problem.id, group.success_rate)
        self.success[group.problem.id] = self.memory * old + (1 - self.memory) * group.success_rate

    def metrics(self) -> dict[str, float]:
        """How much of the pool was seen, and how well it is solved."""
        seen = list(self.success.values())
        return {
            "sampler/problems_seen": len(seen),
            "sampler/success_mean": float(np.mean(seen)) if seen else 0.0,
        }

    def state_dict(self) -> dict[str, Any]:
        """Success rates and the random state."""
        return {**super().state_dict(), "success": dict(self.success)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore both."""
        super().load_state_dict(state)
        self.success = dict(state["success"])


class Curriculum(Sampler):
    """Easy levels first, harder ones later (k1.5 §2.3.4, Fig. 9).

    `schedule` maps an iteration to the levels from then on, e.g. `{0: [1, 2], 10: [3, 4, 5]}`.
    With `advance_at` instead, it starts at the easiest level and adds the next one whenever the
    running accuracy on the hardest open level, to a hundredth, reaches that share. `memory` is the
    share of the old accuracy that stays when a group of that level is seen; it begins at 0.
    """

    def __init__(
        self,
        schedule: Mapping[int, Sequence[int]] | None = None,
        advance_at: float | None = None,
        memory: float = 0.9,
    ) -> None:
        if (schedule is None) == (advance_at is None):
            raise ValueError(
                "sampler: give either schedule={iteration: [levels]} or advance_at=<accuracy>"
            )
        self.schedule = {int(start): tuple(levels) for start, levels in (schedule or {}).items()}
        if schedule is not None and 0 not in self.schedule:
            raise ValueError(
                f"sampler.schedule starts at {min(self.schedule)}: it must say what 0 is"
            )
        if advance_at is not None and not 0 < advance_at <= 1:
            raise ValueError(f"sampler.advance_at={advance_at}: must be above 0 and at most 1")
        check_memory(memory)
        self.advance_at = advance_at
        self.memory = memory
        self.opened = 1
        self.accuracy = 0.0

    def bind(self, problems: Sequence[Problem], seed: int) -> None:
        """Take the pool; raises ValueError naming a problem without a difficulty, or a level of
        the schedule that no problem has.
        """
        super().bind(problems, seed)
        unknown = [problem.id for problem in problems if problem.difficulty is None]
        if unknown:
            raise ValueError(
                f"sampler: {len(unknown)} problems have no difficulty (first: {unknown[0]}); "
                "a curriculum needs one each, or use sampler=uniform"
            )
        self.difficulty = np.array([problem.difficulty for problem in problems])
        there = np.unique(self.difficulty).tolist()
        for start, levels in self.schedule.items():
            if not levels or set(levels) - set(there):
                raise ValueError(
                    f"sampler.schedule: from iteration {start} on the levels are {list(levels)}, "
                    f"but the problems have the levels {there}"
                )

    def levels(self) -> tuple[int, ...]:
        """The levels that are open at this iteration."""
        if self.advance_at is None:
            return self.schedule[max(start for start in self.schedule if start <= self.iteration)]
        return tuple(np.unique(self.difficulty)[: self.opened].tolist())

    def weights(self) -> np.ndarray:
        """1 for problems of an open level, 0 for the others."""
        return np.isin(self.difficulty, self.levels()).astype(float)

    def observe(self, group: RolloutGroup) -> None:
        """Open the next level when the hardest open one is mastered."""
        if self.advance_at is None or group.problem.difficulty != max(self.levels()):
            return
        self.accuracy = self.memory * self.accuracy + (1 - self.memory) * group.success_rate
        if round(self.accuracy, 2) >= self.advance_at:  # a running mean comes close to 1 only
            self.opened, self.accuracy = self.opened + 1, 0.0

    def metrics(self) -> dict[str, float]:
        """The hardest open level."""
        return {"sampler/hardest_level": max(self.levels())}

    def state_dict(self) -> dict[str, Any]:
        """Open levels, the running accuracy and the random state."""
        return {**super().state_dict(), "opened": self.opened, "accuracy": self.accuracy}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore them."""
        super().load_state_dict(state)
        self.opened, self.accuracy = state["opened"], state["accuracy"]


class Composed(Sampler):
    """Several samplers at once: the weights are multiplied, e.g. a curriculum of prioritized
    problems.
    """

    def __init__(self, samplers: Mapping[str, Sampler]) -> None:
        if not samplers:
            raise ValueError("sampler.samplers is empty: name at least one sampler")
        self.samplers = dict(samplers)

    def bind(self, problems: Sequence[Problem], seed: int) -> None:
        """Every part sees the same pool."""
        super().bind(problems, seed)
        for sampler in self.samplers.values():
            sampler.bind(problems, seed)

    def weights(self) -> np.ndarray:
        """The product of the parts' weights."""
        for sampler in self.samplers.values():
            sampler.iteration = self.iteration
        return np.prod([sampler.weights() for sampler in self.samplers.values()], axis=0)

    def observe(self, group: RolloutGroup) -> None:
        """Every part learns."""
        for sampler in self.samplers.values():
            sampler.observe(group)

    def metrics(self) -> dict[str, float]:
        """The figures of all parts."""
        return {k: v for sampler in self.samplers.values() for k, v in sampler.metrics().items()}

    def state_dict(self) -> dict[str, Any]:
        """The parts' states by name."""
        parts = {name: sampler.state_dict() for name, sampler in self.samplers.items()}
        return {**super().state_dict(), "parts": parts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore every part."""
        super().load_state_dict(state)
        for name, sampler in self.samplers.items():
            sampler.load_state_dict(state["parts"][name])


def check_memory(memory: float) -> None:
    """Raise ValueError unless a running mean with this memory takes in what is new."""
    if not 0 <= memory < 1:
        raise ValueError(f"sampler.memory={memory}: must be at least 0 and below 1")
