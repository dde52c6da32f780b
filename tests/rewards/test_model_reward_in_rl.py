"""stage=rl driven by reward models, with the server killed in the middle of an iteration."""

import importlib.util
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from lightning.pytorch import Trainer

from k15.config import ROOT, load
from k15.datamodules.judgements import JudgementData, TaskJudgements
from k15.engines.transformers import TransformersEngine
from k15.graders.judges import Judge, cot_judge, read, value_judge
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.models.value_head import add_value_head
from k15.modules.reward_model import CotRewardModel
from k15.tasks.judging import Make24Judging
from k15.tasks.make24 import Make24
from k15.types import RolloutGroup

JUDGING = Make24Judging(Make24(levels=[1]), unreadable=1.0)
ROOM = 16  # tokens of a reasoning with verdict at level 1
SMALL = [
    "stage=rl",
    "start_from=null",
    "task.levels=[1]",
    "model.hidden_size=32",
    "model.layers=1",
    "data.train_problems=40",
    "data.held_out_problems=4",
    "data.max_response_tokens=16",
    "sizes.problems_per_iteration=6",
    "sizes.samples_per_problem=4",
    "sizes.minibatches_per_iteration=1",
    "trainer.max_epochs=2",
    "trainer.check_val_every_n_epoch=9",
    "logger=null",
    "fingerprint=test",
]


def policy() -> Policy:
    torch.manual_seed(0)
    return tiny_policy(words=JUDGING.words, hidden_size=32, layers=1)


@pytest.fixture(scope="module")
def train() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train", ROOT.parent / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def classic(tmp_path: Path) -> str:
    """A value head with random weights: it likes about as many responses as it dislikes."""
    of = add_value_head(policy())
    torch.nn.init.normal_(of.model.score.weight)
    of.save(tmp_path / "classic")
    return str(tmp_path / "classic")


@pytest.fixture
def chain(tmp_path: Path) -> str:
    """A chain-of-thought model that has learnt to end in a verdict: with seeds 0 to 4 each of 160
    responses of an untrained policy got one within the attempts.
    """
    of = policy()
    module = CotRewardModel(
        of, engine=TransformersEngine(of), max_new_tokens=ROOM, learning_rate=2e-2
    )
    source = TaskJudgements(JUDGING, held_out_problems=1)
    data = JudgementData(policy=module.policy, source=source, judgements=1500, reasoning=True)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = Trainer(max_epochs=1, accelerator="cpu", enable_checkpointing=False, **quiet)
    trainer.fit(module, data)
    module.policy.save(tmp_path / "chain")
    return str(tmp_path / "chain")


def run(train: ModuleType, folder: Path, hook: Callable[[int], None], *arguments: str) -> list:
    """Two iterations; `hook` hears of every group before it is scored. The rows of rollouts/."""
    config = load("train", [*SMALL, f"run_dir={folder}/run", *arguments])
    trainer, module, datamodule, _ = train.assemble(config)
    reward = datamodule.scorer.rewards["answer"]
    score, seen = reward.score, []

    def watched(group: RolloutGroup) -> list[float]:
        if not any(group is other for other in seen):  # it is asked again after a failure
            seen.append(group)
            hook(len(seen))
        return score(group)

    reward.score = watched
    trainer.fit(module, datamodule)
    assert trainer.current_epoch == 2
    files = sorted((folder / "run" / "rollouts").glob("*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert len(rows) == sum(len(group.rollouts) for group in seen)  # none was dropped
    return rows


def verdicts(judge: Judge, rows: list[dict]) -> list[float]:
    """What the judge says in this process."""
    prompts = [read(judge, row["prompt"], row["answer"], row["response"]) for row in rows]
    return [float(verdict.correct > 0.5) for verdict in judge.judge(prompts)]


def children() -> set[int]:
    """Processes that this one has started; earlier tests may have left some of Python's own."""
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    return {int(pid) for task in tasks for pid in (task / "children").read_text().split()}


@pytest.mark.slow
def test_the_classic_model_drives_rl_and_a_killed_server_costs_no_reward(
    train: ModuleType, classic: str, tmp_path: Path
) -> None:
    """Killed before the third group of the first iteration: every outcome is the model's own."""
    before = children()

    def hook(number: int) -> None:
        if number == 3:
            (server,) = children() - before
            os.kill(server, signal.SIGKILL)

    rows = run(train, tmp_path, hook, "rewards=reward_model", f"rewards.answer.path={classic}")
    outcomes = [row["outcome"] for row in rows]
    assert outcomes == verdicts(value_judge(classic), rows)
    assert {0.0, 1.0} == set(outcomes)
    assert all(row["parts"]["truth"] in (0.0, 1.0) for row in rows)


@pytest.mark.slow
def test_the_chain_of_thought_model_drives_rl(
    train: ModuleType, chain: str, tmp_path: Path
) -> None:
    rows = run(
        train,
        tmp_path,
        lambda number: None,
        "rewards=cot_reward_model",
        f"rewards.answer.path={chain}",
        f"rewards.answer.max_new_tokens={ROOM}",
        "rewards.answer.attempts=20",
    )
    judge = cot_judge(chain, make_engine=TransformersEngine, max_new_tokens=ROOM, attempts=20)
    assert [row["outcome"] for row in rows] == verdicts(judge, rows)
