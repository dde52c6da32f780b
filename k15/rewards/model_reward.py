"""Rewards given by a model that runs in a process of its own.

    score(group) ── question, reference, G responses ──► server: one batch ──► G verdicts

The server is a worker of `k15.graders.workers`: if it dies or falls silent, the group goes to a
fresh one; if that dies, too, GraderFailure carries the cause. It never becomes a 0.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k15.graders.base import GraderFailure
from k15.graders.workers import WorkerPool
from k15.rewards.base import RewardCallback
from k15.tasks.judging import question_of

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

    from k15.types import Problem, RolloutGroup

ROOT = Path(__file__).parents[2]  # where k15 is imported from, in the server, too
SERVER = (
    f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
    "from k15.graders.judge_server import main; main()"
)


class ModelReward(RewardCallback):
    """1.0 where the model finds a response correct, else 0.0; a subclass says which judge."""

    outcome = True

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
        """Start nothing yet.

        Args:
            path: the model's Hugging Face folder or name; None: train.py looks for it.
            judge: node of a function of `k15.graders.judges`, without `path`.
            trained_by: the stage whose newest weights train.py takes, or makes, where there is
                no path.
            threshold: probability above which a response is correct; None: the probability itself
                is the reward. Then no group is left out for having equal outcomes.
            threads: torch threads of the server.
            deadline_seconds: a server silent for so long has broken.
        """
        super().__init__(weight=weight, domains=domains)
        if threshold is not None and not 0 <= threshold < 1:
            raise ValueError(f"rewards: threshold={threshold} must be in [0, 1), or null")
        self.path = path
        self.trained_by = trained_by
        self.threshold = threshold
        options = {"threads": threads, "judge": {**judge, "path": path}}
        command = (sys.executable, "-P", "-c", SERVER, json.dumps(options))
        self._server = WorkerPool(command, size=1, wall_seconds=deadline_seconds)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        super().setup(trainer, pl_module, stage)
        self._check_path()
        self._server.start()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._server.close()
        super().teardown(trainer, pl_module, stage)

    def check(self, problem: Problem) -> None:
        question_of(problem)

    def score(self, group: RolloutGroup) -> list[float]:
        """All G responses in one request; raises GraderFailure if one of them got no verdict."""
        self._check_path()
        request = {
            "question": question_of(group.problem),
            "reference": group.problem.answer,
            "responses": [rollout.text for rollout in group.rollouts],
        }
        reply = self._server.call(request)
        if "refused" in reply:
            raise GraderFailure(f"reward model {self.path}: {reply['refused']}")
        probabilities = reply["probabilities"]
        for probability, text in zip(probabilities, reply["texts"], strict=True):
            if probability is None:
                raise GraderFailure(f"reward model {self.path} came to no verdict: {text!r}")
        if self.threshold is None:
            return probabilities
        return [float(probability > self.threshold) for probability in probabilities]

    def _check_path(self) -> None:
        if self.path is None:
            raise ValueError(
                f"rewards: path=null; train a reward model with python train.py "
                f"stage={self.trained_by} and give its folder, path=<run_dir>/model"
            )
