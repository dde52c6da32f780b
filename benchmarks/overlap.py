"""Rollouts beside training: the time of an iteration that is collected while the one before is
trained on, over that of one after the other.

    python benchmarks/overlap.py                     half a minute; what rl.md says

An engine and training steps of scripted costs, equally long, that sleep in the place of work on
other devices; everything else (collector, scoring, data module, module, Trainer) is k15's. The
first iteration has nothing to overlap with and is left out.
"""

import k15  # noqa: F401  # before Lightning, which imports torchvision

# isort: split
import argparse
import time
from collections.abc import Iterable, Iterator
from functools import partial
from statistics import median

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from k15.datamodules.rl import RLDataModule
from k15.datamodules.samplers import Uniform
from k15.engines.protocol import Completion, Request, Sampling
from k15.engines.scripted import ScriptedEngine
from k15.losses.advantages import mean_baseline
from k15.losses.mirror_descent import mirror_descent
from k15.models.tiny import tiny_policy
from k15.modules.rl import RLModule
from k15.problems.sources import TaskSource
from k15.progress import quiet
from k15.rewards.task import TaskReward
from k15.rollouts.plan import RolloutPlan
from k15.sizes import Sizes
from k15.tasks.make24 import Make24
from k15.types import Experience

SIZES = Sizes(problems_per_iteration=4, samples_per_problem=2, minibatches_per_iteration=2)


class Slow(ScriptedEngine):
    """Every call takes `seconds`, as servers on other devices would."""

    def __init__(self, seconds: float) -> None:
        super().__init__(lambda request, index: (5, 6, 7)[: 2 + index % 2])
        self.seconds = seconds

    def generate(
        self, requests: Iterable[Request | None], sampling: Sampling
    ) -> Iterator[Completion]:
        time.sleep(self.seconds)
        yield from super().generate(requests, sampling)


class SlowModule(RLModule):
    """Every training step takes `seconds` more."""

    seconds = 0.0

    def select_groups(self, experience: Experience) -> list:
        time.sleep(self.seconds)
        return super().select_groups(experience)


class Clock(Callback):
    """When each iteration is over."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.ends.append(time.perf_counter())


def seconds_per_iteration(overlap: bool, seconds: float, iterations: int) -> list[float]:
    """Of each iteration but the first."""
    torch.manual_seed(0)
    task, engine, clock = Make24(), Slow(seconds), Clock()
    policy = tiny_policy(words=task.words, hidden_size=32, layers=1, context=64)
    data = RLDataModule(
        policy=policy,
        source=TaskSource(task, train_problems=40, held_out_problems=1),
        engine=engine,
        sampler=Uniform(),
        rewards={"answer": TaskReward(task, domains=["math"])},
        plan=RolloutPlan(sizes=SIZES, max_response_tokens=8, overlap=overlap),
    )
    module = SlowModule(
        policy,
        engine=engine,
        loss=partial(mirror_descent, tau=0.5),
        advantage=mean_baseline,
        learning_rate=1e-4,
        sizes=SIZES,
        drop_zero_advantage=False,
    )
    module.seconds = seconds
    trainer = Trainer(
        max_epochs=iterations + 2,  # beside the last one nothing is collected
        accelerator="cpu",
        callbacks=[clock],
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, data)
    return [end - start for start, end in zip(clock.ends[:-2], clock.ends[1:-1], strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.5, help="of rollouts, and of training")
    parser.add_argument("--iterations", type=int, default=12)
    args = parser.parse_args()
    quiet()
    one_by_one, beside = (
        seconds_per_iteration(overlap, args.seconds, args.iterations) for overlap in (False, True)
    )
    for name, found in (("one after the other", one_by_one), ("overlap", beside)):
        print(f"{name:>20}: {spread(found)} s per iteration")
    print(f"{'ratio':>20}: {spread([each / median(one_by_one) for each in beside])}")


def spread(values: list[float]) -> str:
    """Median, and the range."""
    return f"{median(values):.3f} ({min(values):.3f}-{max(values):.3f})"


if __name__ == "__main__":
    main()
