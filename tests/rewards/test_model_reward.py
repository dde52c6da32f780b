"""Reward models in a process of their own: scores, and what a kill -9 leaves of them."""

import itertools
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from k15.config import build
from k15.graders.base import GraderFailure, retried
from k15.graders.judges import ValueJudge, read, value_judge
from k15.models.tiny import tiny_policy
from k15.models.value_head import add_value_head
from k15.rewards.classic_model import ClassicModelReward
from k15.rewards.cot_model import CotModelReward, node_of
from k15.rewards.model_reward import ModelReward
from k15.tasks.judging import Make24Judging
from k15.tasks.make24 import Make24
from k15.types import Rollout, RolloutGroup
from tests.closeness import close

JUDGING = Make24Judging(Make24())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`classic`: a value head with random weights; `language`: a model without a verdict."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    policy = tiny_policy(words=JUDGING.words, hidden_size=32, layers=1)
    policy.save(folder / "language")
    add_value_head(policy)
    torch.nn.init.normal_(policy.model.score.weight)
    policy.save(folder / "classic")
    return folder


@pytest.fixture
def start() -> Iterator[Callable[[ModelReward], tuple[ModelReward, int]]]:
    """Starts a reward's server; gives its process id, too."""
    started: list[ModelReward] = []

    def start(reward: ModelReward) -> tuple[ModelReward, int]:
        before = set(children())
        started.append(reward)
        reward.grader._server.start()
        (pid,) = set(children()) - before
        return reward, pid

    yield start
    for reward in started:
        reward.grader._server.close()


def children() -> list[int]:
    """The processes that this one has started and that run."""
    tasks = Path(f"/proc/{os.getpid()}/task")
    return [int(pid) for task in tasks.iterdir() for pid in (task / "children").read_text().split()]


def group(number: int = 0) -> RolloutGroup:
    """Eight responses to one problem, none like the other."""
    problem = JUDGING.task.problem(number)
    signs = itertools.product("-+", repeat=3)
    texts = [f"\\boxed{{{a}a{b}b{c}c}}" for a, b, c in signs]
    rollouts = tuple(Rollout(text=text, finish="stop") for text in texts)
    return RolloutGroup(problem=problem, prompt_tokens=(1,), rollouts=rollouts)


def expected(judge: ValueJudge, of: RolloutGroup) -> list[float]:
    """The probabilities, computed in this process."""
    question, answer = of.problem.prompt[0]["content"], of.problem.answer
    prompts = [read(judge, question, answer, rollout.text) for rollout in of.rollouts]
    return [verdict.correct for verdict in judge.judge(prompts)]


def test_the_server_scores_a_group_as_the_model_does_here(folder: Path, start) -> None:
    path = str(folder / "classic")
    judge = value_judge(path)
    probabilities, outcome = expected(judge, group()), None
    middle = sum(sorted(probabilities)[3:5]) / 2
    reward, _ = start(ClassicModelReward(path, threshold=None))
    close(reward.score(group()), probabilities)
    reward.grader.threshold = middle
    outcome = reward.score(group())
    assert outcome == [float(p > middle) for p in probabilities] and sum(outcome) == 4
    with pytest.raises(GraderFailure, match="lacks a word"):
        reward.score(RolloutGroup(**{**fields(group()), "rollouts": (Rollout(text=" 99"),)}))


def fields(of: RolloutGroup) -> dict:
    return {"problem": of.problem, "prompt_tokens": of.prompt_tokens}


def test_a_server_killed_in_the_middle_of_a_group_is_replaced(folder: Path, start) -> None:
    """It is stopped before the request, so it holds it unanswered when kill -9 comes."""
    path = str(folder / "classic")
    reward, pid = start(ClassicModelReward(path, threshold=None))
    os.kill(pid, signal.SIGSTOP)
    killer = threading.Timer(1.0, os.kill, (pid, signal.SIGKILL))
    killer.start()
    values = retried(lambda: reward.score(group()), retries=1, backoff=0.0)
    killer.join()
    close(values, expected(value_judge(path), group()))
    assert pid not in children() and reward.score(group()) == values


@pytest.mark.slow
def test_a_server_that_cannot_come_back_is_a_failure_with_the_cause(
    folder: Path, start, tmp_path: Path
) -> None:
    """Killed, and its weights are gone: a GraderFailure, which `Scorer` drops and counts."""
    shutil.copytree(folder / "classic", tmp_path / "model")
    reward, pid = start(ClassicModelReward(str(tmp_path / "model")))
    shutil.rmtree(tmp_path / "model")
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(GraderFailure, match=r"(?s)status 1.*no such folder"):
        retried(lambda: reward.score(group()), retries=1, backoff=0.0)


def test_a_chain_of_thought_without_verdict_is_a_failure_not_a_zero(
    folder: Path, start, tmp_path: Path
) -> None:
    """Written through the engine that the configuration names, in the server, which closes it."""
    calls = tmp_path / "calls"
    node = {"_target_": "tests.engines.telling.Telling", "_partial_": True, "file": str(calls)}
    make_engine = build(node)
    assert node_of(make_engine) == node
    settings = {"attempts": 2, "max_new_tokens": 4, "make_engine": make_engine}
    reward, _ = start(CotModelReward(str(folder / "language"), **settings))
    with pytest.raises(GraderFailure, match=r"language: the judge came to no verdict: '"):
        reward.score(group())
    reward.grader.close()
    assert calls.read_text().split("\n") == ["made", *["generate None"] * 2, "close", ""]


def test_what_is_wrong_is_said_before_anything_starts() -> None:
    before = set(children())  # an earlier test's may still be ending
    with pytest.raises(ValueError, match=r"path=null; .*train\.py stage=cot_reward_model"):
        CotModelReward().score(group())
    with pytest.raises(ValueError, match=r"threshold=1\.5 must be in"):
        ClassicModelReward("x", threshold=1.5)
    with pytest.raises(ValueError, match="has a picture"):
        ClassicModelReward("x").check(Make24(modality="image").problem(0))
    assert set(children()) <= before
