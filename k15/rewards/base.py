"""What a reward is: a pure scorer with the life-cycle of a Lightning callback."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from lightning.pytorch import Callback

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

    from k15.types import Problem, RolloutGroup


class RewardCallback(Callback, ABC):
    """Scores the G rollouts of one problem. A reward of your own needs `score` alone:

        class Exclaims(RewardCallback):
            def score(self, group):
                return [float(rollout.text.endswith("!")) for rollout in group.rollouts]

    and its import path in a YAML (`_target_: my_package.Exclaims`).

    Being a `lightning.Callback` gives it a life-cycle: override `setup` to start what it needs
    (processes, a model) and `teardown` to end it, both calling `super()`; `state_dict` and
    `load_state_dict` carry what it has learned through a resume; `iteration` drives a warm-up.
    `score` is also called where there is no Trainer (evaluate.py), so whatever `setup` starts must
    start at the first `score`, too.
    """

    outcome: ClassVar[bool] = False
    """True if `score` verifies the answer (1 correct, 0 wrong); False if it shapes the behaviour:
    such a reward is scored after the verifiers and sees `group.outcome`.
    """
    weight: float = 1.0
    domains: tuple[str, ...] | None = None
    _trainer: Trainer | None = None

    def __init__(self, *, weight: float = 1.0, domains: Sequence[str] | None = None) -> None:
        """`weight` multiplies the values in the sum; `domains` None means all of them."""
        if not math.isfinite(weight):
            raise ValueError(f"rewards: weight={weight} must be a finite number")
        if isinstance(domains, str):
            raise ValueError(f"rewards: domains={domains!r} must be a list, such as [{domains}]")
        self.weight = weight
        self.domains = None if domains is None else tuple(domains)

    @abstractmethod
    def score(self, group: RolloutGroup) -> Sequence[float]:
        """[G] one finite value per rollout, unweighted.

        A wrong or unreadable answer is 0. Raises GraderFailure if the grader itself broke.
        """

    def check(self, problem: Problem) -> None:
        """Raise ValueError if `problem` cannot be graded; called when the data is loaded."""

    def applies_to(self, problem: Problem) -> bool:
        """Whether the problem's domain is one of ours."""
        return self.domains is None or problem.domain in self.domains

    @property
    def iteration(self) -> int | None:
        """i of π_i, the Trainer's current epoch; None where there is no Trainer."""
        return None if self._trainer is None else self._trainer.current_epoch

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._trainer = trainer

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._trainer = None
