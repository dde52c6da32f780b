"""Rewards given by a model that runs in a process of its own (`k15.graders.model`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from k15.graders.model import ModelGrader
from k15.rewards.graded import GraderReward

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

    from k15.types import RolloutGroup


class ModelReward(GraderReward):
    """1.0 where the model finds a response correct, else 0.0; a subclass says which judge."""

    def __init__(
        self,
        path: str | None,
        judge: Mapping[str, Any],
        *,
        trained_by: str,
        threshold: float | None = 0.5,
        threads: int = 1,
        deadline_seconds: float = 300.0,
        weight: float = 1.0,
        domains: Sequence[str] | None = None,
    ) -> None:
        """Start nothing yet; see `ModelGrader` for what is not said here.

        Args:
            path: the model's Hugging Face folder or name; None: train.py looks for it.
            judge: node of a function of `k15.graders.judges`, without `path`.
            trained_by: the stage whose newest weights train.py takes, or makes, where there is
                no path.
            threshold: None: the probability itself is the reward. Then no group is left out for
                having equal outcomes.
        """
        grader = ModelGrader(
            {**judge, "path": path},
            threshold=threshold,
            threads=threads,
            deadline_seconds=deadline_seconds,
        )
        super().__init__(grader, weight=weight, domains=domains)
        self.path = path
        self.trained_by = trained_by

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._check_path()
        super().setup(trainer, pl_module, stage)

    def score(self, group: RolloutGroup) -> list[float]:
        self._check_path()
        return super().score(group)

    def _check_path(self) -> None:
        if self.path is None:
            raise ValueError(
                f"rewards: path=null; train a reward model with python train.py "
                f"stage={self.trained_by} and give its folder, path=<run_dir>/model"
            )
