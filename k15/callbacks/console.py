"""One line per iteration: what each phase did, how fast, and what came of it."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


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
