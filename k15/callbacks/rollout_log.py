"""Every rollout to a file, some of them to TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from k15.models.policy import Policy
from k15.types import Experience, RolloutGroup


class RolloutLog(Callback):
    """Writes `<run_dir>/rollouts/iteration_XXXX.jsonl` and `shown` samples per iteration as
    text.
    """

    def __init__(self, policy: Policy, run_dir: str, shown: int = 4) -> None:
        self.policy = policy
        self.folder = Path(run_dir) / "rollouts"
        self.shown = shown

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Experience,
        batch_idx: int,
    ) -> None:
        """One line per rollout of all ranks."""
        if not trainer.is_global_zero:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = [row for group in batch.groups for row in self.rows(group, batch.iteration)]
        file = self.folder / f"iteration_{batch.iteration:04d}.jsonl"
        file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        if isinstance(trainer.logger, TensorBoardLogger):
            self.show(trainer.logger.experiment, batch)

    def rows(self, group: RolloutGroup, iteration: int) -> Iterator[dict[str, Any]]:
        """What is worth knowing of each response."""
        prompt = self.policy.decode(group.prompt_tokens)
        for i, rollout in enumerate(group.rollouts):
            yield {
                "iteration": iteration,
                "group": group.number,
                "problem": group.problem.id,
                "difficulty": group.problem.difficulty,
                "prompt": prompt,
                "prompt_tokens": len(group.prompt_tokens),
                "response": rollout.text,
                "answer": group.problem.answer,
                "outcome": group.outcome[i],
                "reward": group.reward[i],
                "parts": {name: values[i] for name, values in group.parts.items()},
                "tokens": rollout.length,
                "finish": rollout.finish,
                "versions": [segment.version for segment in rollout.segments],
            }

    def show(self, board: Any, experience: Experience) -> None:
        """The first response of the first groups, with the picture where there is one."""
        for place, group in enumerate(experience.groups[: self.shown]):
            row = next(self.rows(group, experience.iteration))
            text = "\n\n".join(f"**{key}**: `{value}`" for key, value in row.items())
            board.add_text(f"sample/{place}", text, experience.iteration)
            for image in group.problem.images[:1]:
                pixels = np.asarray(image.convert("RGB"))
                board.add_image(f"sample/{place}", pixels, experience.iteration, dataformats="HWC")
