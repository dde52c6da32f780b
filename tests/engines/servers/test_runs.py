"""train.py on servers that are killed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import train
from k15.rewards.base import RewardCallback
from k15.types import RolloutGroup
from tests.engines.servers.test_engine import STEADY

CHAOS = "tests.engines.servers.chaos"
SMALL = ["stage=rl", "debug=tiny", "model.hidden_size=32", "model.layers=1", "fingerprint=test"]
SMALL += ["data.train_problems=64", "data.held_out_problems=2", "data.max_response_tokens=40"]
SMALL += ["sizes.problems_per_iteration=8", "sizes.minibatches_per_iteration=2"]
SMALL += ["sizes.samples_per_problem=4", "trainer.max_epochs=4", "logger=null"]
SMALL += ["datamodule.plan.cut_unfinished=false", "learning_rates.rl=0.01"]
PATIENCE = "{_target_: k15.engines.servers.fleet.Patience, answer: 3, restarts: 100}"


class Even(RewardCallback):
    """A signal in most groups: the share of tokens with an even number."""

    def score(self, group: RolloutGroup) -> list[float]:
        return [sum(t % 2 == 0 for t in r.tokens) / r.length for r in group.rollouts]


def chaotic(folder: Path, engine: str, kills: int, stops: int, seconds: float, rest: str) -> str:
    words = f"_target_: {CHAOS}.{engine}, kills: {kills}, stops: {stops}, seconds: {seconds}"
    words += f", file: {folder}/killed, replicas: 2, patience: {PATIENCE}, {rest}"
    return f"engine={{{words}}}"


def trained(folder: Path, *words: str) -> tuple[dict[str, torch.Tensor], list[list[int]]]:
    """Final weights, and the numbers of the groups of each iteration."""
    folder.mkdir()
    own = [f"run_dir={folder}/run", f"rewards.even._target_={__name__}.Even"]
    own += [f"callbacks.trained={{_target_: {CHAOS}.Trained, file: {folder}/groups}}"]
    train.main([*SMALL, *words, *own])
    groups = [[*map(int, line.split())] for line in (folder / "groups").read_text().splitlines()]
    return load_file(folder / "run" / "model" / "model.safetensors"), groups


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_a_run_whose_servers_are_killed_is_the_run_without_kills(tmp_path: Path) -> None:
    """Every group is trained on once, and the weights are the same to the last bit."""
    runs = {}
    for name, kills, stops in (("calm", 0, 0), ("chaos", 6, 1)):
        folder = tmp_path / name
        rest = f"serves: {STEADY}, settings: {{slots: 8, seconds: 0.02}}"
        runs[name] = trained(folder, chaotic(folder, "Chaotic", kills, stops, 0.5, rest))
    killed = (tmp_path / "chaos" / "killed").read_text().split()
    assert killed.count("SIGKILL") >= 4 and killed.count("SIGSTOP") == 1
    (calm, calm_groups), (chaos, chaos_groups) = runs.values()
    assert chaos_groups == calm_groups
    numbers = [number for groups in chaos_groups for number in groups]
    assert len(numbers) == len(set(numbers)) == 40  # 4 iterations of 8 x 1.25
    assert same(chaos, calm)
