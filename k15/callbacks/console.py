"""One line per iteration of RL, or every few seconds of supervised training: what was done, how
fast, and what came of it. Lines, so that a log file has them, too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

LEARNED = ("loss", "token_accuracy", "pairs_ranked", "accuracy")


class Console(Callback):
    """Prints the figures a researcher watches; a dash where the iteration has none."""

    def __init__(self) -> None:
        self.earlier: dict[str, Any] = {}

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The Trainer keeps figures until new ones come, as for steps that are not made."""
        self.earlier = dict(trainer.callback_metrics)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After the iteration's last optimizer step."""
        if not trainer.is_global_zero:
            return
        figure = {
            name: float(value)
            for name, value in trainer.callback_metrics.items()
            if value is not self.earlier.get(name)
        }

        def show(name: str, form: str = ".2f") -> str:
            return format(figure[name], form) if name in figure else "-"

        print(
            f"iteration {trainer.current_epoch + 1:>3}/{trainer.max_epochs}"
            f" | reward {show('reward/mean')} accuracy {show('accuracy')}"
            f" tokens {show('response/tokens_mean', '.1f')}"
            f" | rollout {show('time/rollout_seconds', '.1f')}s"
            f" {show('rollout/tokens_per_second', ',.0f')} tok/s"
            f" reward {show('time/reward_seconds', '.1f')}s"
            f" train {show('time/train_seconds', '.1f')}s"
            f" {show('train/tokens_per_second', ',.0f')} tok/s"
            f" | groups {show('train/groups', '.0f')}+{show('train/groups_without_signal', '.0f')}"
            f" without signal, {show('rollout/groups_unfinished', '.0f')} unfinished"
            f" | gradient {show('train/gradient_norm')}",
            flush=True,
        )

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Ctrl-C: say what is kept and how to go on."""
        if isinstance(exception, KeyboardInterrupt) and trainer.is_global_zero:
            done = trainer.current_epoch
            kept = "the same command with resume=last goes on" if done else "nothing to resume"
            print(
                f"interrupted after {done} of {trainer.max_epochs} iterations; {kept}", flush=True
            )


class StepConsole(Callback):
    """Prints the newest optimizer step's figures at the first one, then every `seconds`, and at the
    last one; and those of each validation.
    """

    def __init__(self, seconds: float = 10.0) -> None:
        if seconds < 0:
            raise ValueError(f"callbacks.console.seconds={seconds}: choose 0 or more")
        self.seconds = seconds
        self._steps = 0
        self._all: float = 0
        self._due = 0.0
        self._said = ""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The first step is told."""
        self._steps, self._all = trainer.global_step, trainer.estimated_stepping_batches
        self._due = 0.0

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """After an optimizer step; batches before it only gather their gradients."""
        steps, self._steps = trainer.global_step - self._steps, trainer.global_step
        last = trainer.global_step == self._all
        if not steps or not (last or time.monotonic() >= self._due):
            return
        self._due = time.monotonic() + self.seconds
        figure = figures(trainer, "train/")
        self._say(
            trainer,
            f"step {trainer.global_step:>6,}/{self._all:,} | "
            f"{shown(figure)} | {figure['tokens']:,.0f} tokens"
            f" {figure['tokens_per_second']:,.0f} tok/s"
            f" | learning rate {figure['learning_rate']:.1e}"
            f" gradient {figure['gradient_norm']:.2f}",
        )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Of the whole held-out set."""
        if not trainer.sanity_checking:
            found = shown(figures(trainer, "val/"))
            self._say(trainer, f"held out after {trainer.global_step:,} steps | {found}")

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Ctrl-C: say how to go on."""
        if isinstance(exception, KeyboardInterrupt) and self._all:
            self._say(
                trainer,
                f"interrupted after {trainer.global_step:,} of {self._all:,} steps; the same "
                "command with resume=last goes on from the newest checkpoint, if there is one",
            )

    def _say(self, trainer: Trainer, line: str) -> None:
        if trainer.is_global_zero and line != self._said:  # as after the last validation of a fit
            print(line, flush=True)
        self._said = line


def figures(trainer: Trainer, prefix: str) -> dict[str, float]:
    """What was logged under a prefix."""
    found = trainer.callback_metrics.items()
    return {
        name.removeprefix(prefix): float(value) for name, value in found if name.startswith(prefix)
    }


def shown(figure: Mapping[str, float]) -> str:
    """What is learned, as far as it is known."""
    known = [name for name in LEARNED if name in figure]
    return " ".join(f"{name.replace('_', ' ')} {figure[name]:.3f}" for name in known)
