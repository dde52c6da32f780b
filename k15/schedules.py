"""How learning rates go over a stage: they rise, then stay or fall, once or in phases.

A schedule says for an optimizer step the share of `module.learning_rate` that it is taken with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, get_args

from k15.config.errors import ConfigError

Shape = Literal["cosine", "linear", "constant", "wsd"]


class LearningRateSchedule(Protocol):
    """What a module needs to know."""

    def __call__(self, step: int, steps: int, warmup: float, start: float = 0.0) -> float:
        """The share for a `step` of `steps` (0 is the first), of which a share of `warmup` rises
        from `start`.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A linear warm-up to 1, then on to `final` at the end.

    `cosine` and `linear` fall all the way. `wsd` stays at 1 and falls linearly over the last
    `decay` of the steps (warm-up, stable, decay: Hu et al. 2024, arXiv 2404.06395, §4). `constant`
    stays. Raises ConfigError naming the setting that cannot be.
    """

    shape: Shape = "cosine"
    final: float = 0.0
    decay: float = 0.2

    def __post_init__(self) -> None:
        if self.shape not in get_args(Shape):
            raise ConfigError(f"schedule.shape={self.shape!r}: choose {', '.join(get_args(Shape))}")
        for name, share in (("final", self.final), ("decay", self.decay)):
            if not 0 <= share <= 1:
                raise ConfigError(f"schedule.{name}={share}: must be from 0 to 1")

    def __call__(self, step: int, steps: int, warmup: float, start: float = 0.0) -> float:
        """As `LearningRateSchedule`; warm-up takes one step at least."""
        rising = max(1, round(warmup * steps))
        if step < rising:
            return start + (1 - start) * (step + 1) / rising
        done = min(1.0, (step - rising) / max(1, steps - rising))
        return self.final + (1 - self.final) * self._height(done, rising, steps)

    def _height(self, done: float, rising: int, steps: int) -> float:
        """From 1 to 0 over the share of the steps behind the warm-up that is `done`."""
        if self.shape == "cosine":
            return 0.5 * (1 + math.cos(math.pi * done))
        if self.shape == "linear":
            return 1 - done
        if self.shape == "wsd":
            falling = min(1.0, self.decay * steps / max(1, steps - rising))
            return min(1.0, (1 - done) / falling) if falling else 1.0
        return 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A part of a stage, as long as its `share` among those of all phases; `peak` is in units of
    `module.learning_rate`, the schedule's `final` in units of the peak.
    """

    share: float
    peak: float = 1.0
    schedule: Schedule = Schedule()


class Phases:
    """One schedule after the other: each warms up again, from where the one before has ended.

    As k1.5 does in SFT (§2.5): from 2e-5 to 2e-6 at 32k tokens, then from 1e-5 to 1e-6 at 128k.
    Raises ConfigError for a share or peak that is not above 0.
    """

    def __init__(self, phases: Mapping[str, Phase]) -> None:
        self.phases = phases
        for name, phase in phases.items():
            if phase.share <= 0 or phase.peak <= 0:
                raise ConfigError(
                    f"schedule.phases.{name}: share={phase.share} and peak={phase.peak} must be "
                    "above 0"
                )

    def __call__(self, step: int, steps: int, warmup: float, start: float = 0.0) -> float:
        """As `LearningRateSchedule`; `warmup` is a share of each phase's own steps."""
        first, level = 0, start
        for phase, end in zip(self.phases.values(), self._ends(steps), strict=True):
            if step < end or end == steps:
                inside = step - first, end - first
                return phase.peak * phase.schedule(*inside, warmup, level / phase.peak)
            first, level = end, phase.peak * phase.schedule.final
        return level

    def _ends(self, steps: int) -> list[int]:
        """The step behind each phase's last."""
        shares = [phase.share for phase in self.phases.values()]
        return [round(steps * sum(shares[: i + 1]) / sum(shares)) for i in range(len(shares))]
