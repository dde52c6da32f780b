"""What else is trained spread over two ranks: adapters, a vision tower alone, a value head."""

from typing import Any

import torch

from k15.datamodules.demonstrations import DemonstrationData
from k15.datamodules.judgements import JudgementData, TaskJudgements
from k15.models.gradient_checkpointing import checkpoint_layers
from k15.models.lora import Lora
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.modules.language import LanguageModule
from k15.modules.reward_model import RewardModel
from k15.problems.sources import TaskSource
from k15.sharding.strategy import ShardedStrategy
from k15.tasks.judging import Make24Judging
from k15.tasks.make24 import Make24
from k15.weights.full import full_weights
from tests.closeness import close
from tests.two_ranks import on_two, trained

SEEN = Make24(levels=(1, 2), modality="image")
JUDGING = Make24Judging(Make24(levels=[1]))


def demonstrated(policy: Policy, train: Any, **settings: Any) -> dict[str, Any]:
    data = DemonstrationData(
        policy=policy,
        source=TaskSource(SEEN, held_out_problems=20),
        tokens=240,
        tokens_per_batch=120,
        held_out_examples=3,
    )
    found = trained(LanguageModule(policy, learning_rate=1e-3, train=train), data, **settings)
    return found | {"full": {name: x.clone() for name, x in full_weights(policy.model)}}


def adapter(**settings: Any) -> dict[str, Any]:
    """Beside frozen weights, its layers computed again."""
    torch.manual_seed(0)
    policy = tiny_policy(words=SEEN.words, modality="image", hidden_size=32, layers=1)
    Lora(rank=4).put_into(policy.model)
    checkpoint_layers(policy.model)
    return demonstrated(policy, "all", **settings)


def tower(**settings: Any) -> dict[str, Any]:
    torch.manual_seed(0)
    policy = tiny_policy(words=SEEN.words, modality="image", hidden_size=32, layers=1)
    return demonstrated(policy, "vision", **settings)


def value_head(**settings: Any) -> dict[str, Any]:
    """One held-out example: one of the ranks has none to judge."""
    torch.manual_seed(0)
    policy = tiny_policy(words=JUDGING.words, hidden_size=32, layers=1)
    data = JudgementData(
        policy=policy,
        source=TaskJudgements(JUDGING, held_out_problems=1),
        judgements=12,
        tokens_per_batch=200,
        reasoning=False,
    )
    return trained(RewardModel(policy, learning_rate=1e-3), data, **settings)


KINDS = (adapter, tower, value_head)


def all_kinds() -> list[dict[str, Any]]:
    return [kind(strategy=ShardedStrategy()) for kind in KINDS]


def test_they_are_what_they_are_on_one_rank() -> None:
    expected = [kind() for kind in KINDS]
    for ours, theirs in zip(on_two(all_kinds)[0], expected, strict=True):
        assert len(ours["gradients"]) == len(theirs["gradients"])
        for found, wanted in zip(ours["gradients"], theirs["gradients"], strict=True):
            assert found.keys() == wanted.keys()
            for name, gradient in wanted.items():
                close(found[name], gradient, 1e-4)
        for name, weight in theirs.get("full", {}).items():
            close(ours["full"][name], weight, 1e-2)  # Adam makes much of rounding
        for name, figure in theirs["figures"].items():
            if "second" not in name:
                close(ours["figures"][name], figure, 1e-4)
