"""The weights of an RL run with the best balance of accuracy and length: where long2short RL starts
(k1.5 §2.4).

The rule: of all validations after the first iteration, those whose accuracy lies within `tolerance`
of the best one's; of these the one with the fewest tokens.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from k15.callbacks.model_folders import BEST, ModelFolders
from k15.folders import write_text
from k15.models.policy import Policy
from k15.weights.full import saver

ACCURACY, ERROR, TOKENS = "val/accuracy", "val/accuracy_error", "val/response/tokens_mean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What a validation found."""

    iteration: int
    """How many were done."""
    accuracy: float
    error: float
    """Standard error of the accuracy, over different questions."""
    tokens: float
    """Mean length of the responses."""


def balanced(points: Sequence[Point], tolerance: float | None = None) -> list[Point]:
    """What the rule chooses, and behind it what it may choose when a better one is found: fewest
    tokens first, each more accurate than those before.

    `tolerance` is in accuracy; None: the best one's standard error.
    """
    best = max(points, key=lambda point: point.accuracy)
    least = best.accuracy - (best.error if tolerance is None else tolerance)
    kept: list[Point] = []
    for point in sorted(points, key=lambda point: (point.tokens, -point.accuracy)):
        if point.accuracy >= max([least, *(one.accuracy + 1e-9 for one in kept)]):
            kept.append(point)
    return kept


class Balance(Callback):
    """Keeps the weights that the rule may choose in `<run_dir>/balance`, as Hugging Face folders;
    `best` there leads to the chosen one, and `<run_dir>/balance.json` says why.
    """

    def __init__(self, policy: Policy, run_dir: str, tolerance: float | None = None) -> None:
        """`tolerance` is that of `balanced`; raises ValueError if it is below 0."""
        if tolerance is not None and tolerance < 0:
            raise ValueError(f"callbacks.balance.tolerance={tolerance}: choose 0 or more, or null")
        self.run_dir = Path(run_dir)
        self.policy = policy
        self.folders = ModelFolders(self.run_dir / "balance", policy.save)
        self.tolerance = tolerance
        self.points: list[Point] = []

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the weights, or not; those that training starts from are no candidate."""
        training = trainer.state.fn == "fit"
        done = trainer.current_epoch + int(training)
        figures = trainer.callback_metrics
        if not done or not {ACCURACY, TOKENS} <= figures.keys():
            return
        point = Point(
            iteration=done,
            accuracy=float(figures[ACCURACY]),
            error=float(figures.get(ERROR, 0.0)),
            tokens=float(figures[TOKENS]),
        )
        self.folders.save = saver(self.policy, keep=trainer.is_global_zero)
        self.points = [one for one in self.points if one.iteration < done] + [point]
        if trainer.is_global_zero:
            chosen = self.keep(point, new=training)
            if not training:
                print(
                    f"best balance: iteration {chosen.iteration} (accuracy {chosen.accuracy:.3f}, "
                    f"{chosen.tokens:.1f} tokens), in {self.folders.folder / BEST}",
                    flush=True,
                )

    def keep(self, newest: Point, new: bool) -> Point:
        """Save the newest weights if they may be chosen, remove those that no longer can be. After
        training they are not `new`: the last iteration may have been validated already.
        """
        there = dict(self.folders.found())
        saved = [one for one in self.points if one is newest or one.iteration in there]
        kept = balanced(saved, self.tolerance)
        if newest in kept and (new or newest.iteration not in there):
            there[newest.iteration] = self.folders.write(newest.iteration)
        self.folders.choose(there[kept[0].iteration])
        wanted = {there[one.iteration] for one in kept}
        for _, folder in self.folders.found():
            if folder not in wanted:
                rmtree(folder)
        report = {
            "rule": "fewest tokens within the tolerance of the best accuracy",
            "tolerance": "its standard error" if self.tolerance is None else self.tolerance,
            "chosen": kept[0].iteration,
            "validations": [asdict(one) for one in self.points],
        }
        write_text(self.run_dir / "balance.json", json.dumps(report, indent=1) + "\n")
        return kept[0]

    def state_dict(self) -> dict[str, Any]:
        """The validations survive a resume."""
        return {"points": [asdict(point) for point in self.points]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with them."""
        self.points = [Point(**point) for point in state_dict["points"]]
