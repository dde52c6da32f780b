"""RL on programs as a user runs it: every reward is the verdict of a real sandbox."""

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from tests.test_train import run, same_weights

TASK = ["task.levels=[1]", "data.train_problems=40", "data.held_out_problems=10"]
SMALL = [
    "sizes.problems_per_iteration=8",
    "sizes.samples_per_problem=4",
    "sizes.minibatches_per_iteration=2",
    "datamodule.plan.segment_tokens=20",
    "trainer.max_epochs=3",
]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("local_sandbox")
def test_verdicts_of_the_sandbox_train_as_the_tasks_own_check_does(tmp_path: Path) -> None:
    """Bit by bit: none is dropped or guessed, and the iterations train on rights and wrongs."""
    warm_up = ["start_from=null", "datamodule.tokens=150_000", "run_dir=sft"]
    run(tmp_path, "stage=sft", "task=programs", *TASK, *warm_up)
    settings = [*TASK, *SMALL, "start_from=sft/model"]
    run(tmp_path, "stage=rl", "rewards=code", *settings, "run_dir=code")
    run(tmp_path, "stage=rl", "rewards=task", "task=programs", *settings, "run_dir=task")

    config = OmegaConf.load(tmp_path / "code" / "config.yaml")
    assert config.rewards.answer._target_ == "k15.rewards.code.CodeReward"
    assert config.sandbox._target_ == "k15.sandbox.local.LocalSandbox"
    code, task = (
        sorted((tmp_path / name / "rollouts").glob("*.jsonl")) for name in ("code", "task")
    )
    assert [file.read_text() for file in code] == [file.read_text() for file in task]
    assert same_weights(tmp_path / "code", tmp_path / "task")

    rows = [json.loads(line) for file in code for line in file.read_text().splitlines()]
    assert len(code) == 3 and {row["parts"]["answer"] for row in rows} == {0.0, 1.0}
