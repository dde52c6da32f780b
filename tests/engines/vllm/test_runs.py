"""train.py and evaluate.py with engine=vllm, as they are typed."""

import csv
import json
from pathlib import Path

import pytest
import torch

import evaluate
import train
from k15.models.tiny import tiny_policy
from k15.rewards.base import RewardCallback
from k15.tasks.make24 import Make24
from k15.types import RolloutGroup
from tests.vllm_there import needs_vllm

pytestmark = [needs_vllm, pytest.mark.slow, pytest.mark.timeout(600)]
ENGINE = ["engine=vllm", "engine.slots=8", "engine.cache_gib=0.02"]
SMALL = ["stage=rl", "debug=tiny", "model.hidden_size=32", "model.layers=1", "fingerprint=test"]
SMALL += ["data.train_problems=8", "data.held_out_problems=2", "data.max_response_tokens=8"]
SMALL += ["sizes.problems_per_iteration=4", "sizes.minibatches_per_iteration=2"]
SMALL += ["sizes.samples_per_problem=2", "trainer.max_epochs=3", "logger=csv"]


class Even(RewardCallback):
    """A signal in most groups: the share of tokens with an even number."""

    def score(self, group: RolloutGroup) -> list[float]:
        return [sum(t % 2 == 0 for t in r.tokens) / r.length for r in group.rollouts]


def logged(run: Path, name: str) -> list[float]:
    """A figure of every iteration."""
    with (run / "csv" / "metrics.csv").open() as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name)]


@pytest.mark.parametrize("modality", ["text", "image"])
def test_the_engine_has_the_weights_of_every_iteration(tmp_path: Path, modality: str) -> None:
    """Steps are large: with the weights of an iteration before, log-probabilities are far off."""
    own = ["learning_rates.rl=0.01", f"task.modality={modality}", f"run_dir={tmp_path}"]
    train.main([*SMALL, *ENGINE, *own, f"rewards.even._target_={__name__}.Even"])
    mismatch = logged(tmp_path, "train/engine_mismatch")
    assert len(mismatch) == 3 and max(mismatch) < 1e-5
    assert max(logged(tmp_path, "train/sequence_log_ratio")) > 0.01  # the weights do change
    assert len(logged(tmp_path, "time/engine_load_seconds")) == 3
    assert not torch.distributed.is_initialized()


def test_an_evaluation_finds_what_the_other_engine_finds(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tiny_policy(words=Make24().words, initializer_range=0.2).save(tmp_path / "model")
    greedy = [f"model.path={tmp_path}/model", "limit=6", "benchmark.temperature=0", "report=false"]
    evaluate.main([*greedy, *ENGINE, f"run_dir={tmp_path}/vllm"])
    evaluate.main([*greedy, f"run_dir={tmp_path}/transformers"])
    ours, theirs = (
        {(r["id"], r["response"]) for r in map(json.loads, (run / "responses.jsonl").open())}
        for run in (tmp_path / "transformers", tmp_path / "vllm")
    )
    assert len(ours) == 6 and ours == theirs
