"""What a run achieved: a before/after table, `summary.json` and the learning curves as a
picture.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from k15 import BORN

HELD_OUT = "val/held_out"  # how many problems, or judgements, a validation is over
SHOWN = {"accuracy": "val/accuracy", "mean_tokens": "val/response/tokens_mean"}
ERROR, QUESTIONS = "val/accuracy_error", "val/questions"


class Summary(Callback):
    """Keeps every validation of the run; writes the report when training ends.

    `summary.json` has `held_out.{accuracy,accuracy_error,mean_tokens}_{before,after}`, of which the
    error is the standard error over the different questions; `held_out.{problems,questions}`;
    `seconds`, `cpu_seconds` (of this process, earlier stages it had to train included) and `seed`.
    """

    def __init__(self, run_dir: str, seed: int) -> None:
        self.run_dir = Path(run_dir)
        self.seed = seed
        self.history: list[dict[str, float]] = []
        self.earlier = {"seconds": 0.0, "cpu_seconds": 0.0}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record the held-out figures; after training, write the report and print the table."""
        training = trainer.state.fn == "fit"
        done = trainer.current_epoch + int(training)
        figures = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("val/") and name != HELD_OUT
        }
        self.history = [point for point in self.history if point["iteration"] < done]
        self.history.append({"iteration": done, **figures})
        if trainer.is_global_zero and not training and len(self.history) > 1:
            self.report(int(trainer.callback_metrics[HELD_OUT]))

    def report(self, problems: int) -> None:
        """Write the files and print the table."""
        self.run_dir.mkdir(parents=True, exist_ok=True)
        summary = json.dumps(self.summary(problems), indent=2)
        (self.run_dir / "summary.json").write_text(summary + "\n")
        draw_curves(self.history, self.run_dir / "curves.png")
        print(f"{self.table()}\nin {self.run_dir}: summary.json, curves.png, rollouts/, model/")

    def summary(self, problems: int) -> dict[str, Any]:
        """The run in a few numbers; seconds are counted over resumed runs."""
        before, after = self.history[0], self.history[-1]
        held_out: dict[str, float] = {"problems": problems, "iterations": after["iteration"]}
        for name, metric in SHOWN.items():
            held_out[f"{name}_before"] = before[metric]
            held_out[f"{name}_after"] = after[metric]
        if ERROR in before and ERROR in after:
            held_out["questions"] = int(after[QUESTIONS])
            held_out |= {
                "accuracy_error_before": before[ERROR],
                "accuracy_error_after": after[ERROR],
            }
        return {"held_out": held_out, **self.clock(), "seed": self.seed, "history": self.history}

    def table(self) -> str:
        """Before and after, by metric."""
        before, after = self.history[0], self.history[-1]
        lines = [f"{'held-out problems':<28}{'before':>10}{'after':>10}"]
        for name in sorted(before.keys() & after.keys() - {"iteration"}):
            label = name.removeprefix("val/")
            lines.append(f"{label:<28}{before[name]:>10.3f}{after[name]:>10.3f}")
        return "\n".join(lines)

    def clock(self) -> dict[str, float]:
        """Seconds and processor seconds so far."""
        now = {"seconds": time.monotonic() - BORN, "cpu_seconds": time.process_time()}
        return {name: round(value + self.earlier[name], 1) for name, value in now.items()}

    def state_dict(self) -> dict[str, Any]:
        """The record survives a resume."""
        return {"history": self.history, "clock": self.clock()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue the record."""
        self.history = list(state_dict["history"])
        self.earlier = dict(state_dict["clock"])


def draw_curves(history: list[dict[str, float]], file: Path) -> None:
    """Held-out accuracy and mean response length over the iterations."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    labels = {"accuracy": "held-out accuracy", "mean_tokens": "mean response length, tokens"}
    iterations = [point["iteration"] for point in history]
    for axis, (name, label) in zip(figure.subplots(1, 2), labels.items(), strict=True):
        axis.plot(
            iterations, [point[SHOWN[name]] for point in history], marker="o", color="#2a6f97"
        )
        axis.set(xlabel="iteration", title=label)
        axis.set_ylim(bottom=0)
        axis.locator_params(axis="x", integer=True)
        axis.grid(alpha=0.3)
    figure.savefig(file, dpi=150)
