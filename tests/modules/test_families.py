"""Each family goes through SFT and an iteration of RL, and is itself again when it is loaded.

Tiny random weights of the same classes as the models that configs/model names; that forward passes
are transformers' own is in tests/models/test_table.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback

from k15.callbacks.experts import ExpertLoad
from k15.datamodules.rl import RLDataModule
from k15.datamodules.samplers import Uniform
from k15.engines.transformers import TransformersEngine
from k15.losses.advantages import mean_baseline
from k15.losses.mirror_descent import mirror_descent
from k15.models.layouts.choice import choose_layout
from k15.models.loading import load_policy
from k15.models.logps import response_logps
from k15.models.parts import part_of
from k15.models.policy import Policy
from k15.modules.language import LanguageModule
from k15.modules.rl import RLModule
from k15.rewards.base import RewardCallback
from k15.rollouts.plan import RolloutPlan
from k15.sizes import Sizes
from k15.types import Example, Problem, RolloutGroup
from tests.closeness import close
from tests.models import classes, seeing_classes
from tests.modules.fitting import Batches, fit

TEXT = ("qwen3", "deepseek_v3")
SEEING = (
    "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "llava", "llava_next", "llava_onevision", "internvl",
    "kimi_k25",
)  # fmt: skip
MIXTURES = {"deepseek_v3", "qwen3_vl_moe", "kimi_k25"}
RESPONSES = ("ab", "a", "abcd", "dcba")
SIZES = Sizes(
    problems_per_iteration=3,
    samples_per_problem=4,
    minibatches_per_iteration=3,
    tokens_per_microbatch=2048,
)


@dataclass
class Given:
    """Problems as they are given."""

    train: Sequence[Problem]
    held_out: Sequence[Problem]
    words: tuple[str, ...] = ()
    max_response_tokens: int = 8


class Even(RewardCallback):
    """1 for tokens with an even sum."""

    outcome = True

    def score(self, group: RolloutGroup) -> list[float]:
        return [float(sum(rollout.tokens) % 2 == 0) for rollout in group.rollouts]


class Figures(Callback):
    """Of every optimizer step."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_train_batch_end(self, trainer, *_) -> None:
        self.losses.append(float(trainer.callback_metrics["train/loss"]))


def policy_of(kind: str) -> Policy:
    """Of weights as small as fresh ones are, from which a few steps lead somewhere."""
    if kind in TEXT:
        policy = classes.policy_of(kind)
    else:
        policy = Policy(*seeing_classes.model_and_processor(kind))
    with torch.no_grad():
        for parameter in policy.model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(0.3)
    return policy


def problems_of(kind: str) -> list[Problem]:
    """With a picture, with several and with none, as far as a class takes them."""
    if kind in TEXT:
        from k15.tasks.make24 import Make24

        return [Make24().problem(index) for index in range(4)]
    found = seeing_classes.problems()
    return [p for p in found if len(p.images) < 2] if kind == "llava_onevision" else found


def examples_of(kind: str, policy: Policy) -> list[Example]:
    """Each problem with a response that can be learned by heart."""
    return [
        Example(
            prompt_tokens=policy.encode(problem),
            response_tokens=(*range(20 + 5 * place, 24 + 5 * place), policy.stop_ids[0]),
            images=problem.images,
        )
        for place, problem in enumerate(problems_of(kind))
    ]


def logps(policy: Policy, examples: Sequence[Example]) -> torch.Tensor:
    policy.model.eval()
    with torch.no_grad():
        return response_logps(policy, choose_layout(policy).collate(policy, examples))


def weights(policy: Policy) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in policy.model.named_parameters()}


def moved_parts(policy: Policy, before: dict[str, torch.Tensor]) -> set[str]:
    named = policy.model.named_parameters()
    return {part_of(name) for name, p in named if not torch.equal(p, before[name])}


def learn_by_heart(policy: Policy, examples: list[Example]) -> dict[str, float]:
    """SFT over eight batches; the figures of its last step, and the loss of its first."""
    module, losses = LanguageModule(policy, learning_rate=1e-2), Figures()
    trainer = fit(module, Batches([examples] * 8), ExpertLoad(policy), losses)
    figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return {**figures, "first": losses.losses[0]}


def one_iteration(policy: Policy, problems: list[Problem]) -> dict[str, float]:
    """RL, from the engine's tokens to the weights."""
    engine = TransformersEngine(policy, slots=4)
    module = RLModule(
        policy,
        engine=engine,
        loss=partial(mirror_descent, tau=0.5),
        advantage=mean_baseline,
        sizes=SIZES,
        learning_rate=1e-3,
        drop_zero_advantage=False,
    )
    data = RLDataModule(
        policy=policy,
        source=Given(train=problems, held_out=problems[:1]),
        engine=engine,
        sampler=Uniform(),
        seed=1,
        rewards={"even": Even()},
        plan=RolloutPlan(sizes=SIZES, max_response_tokens=8, cut_unfinished=False),
    )
    trainer = fit(module, data, ExpertLoad(policy), limit_val_batches=0)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


@pytest.mark.parametrize("kind", [*TEXT, *SEEING])
def test_a_family_is_rewarded_learns_is_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    """By heart: from about log 261, 5.6 nats, or log 128, 4.9 of text, to less than two thirds."""
    policy = policy_of(kind)
    examples, before = examples_of(kind, policy), weights(policy)
    figures = one_iteration(policy, problems_of(kind))
    parts = {"language"} if kind in TEXT else {"vision", "projector", "language"}
    assert figures["train/steps"] == 3 and moved_parts(policy, before) == parts
    assert figures["train/engine_mismatch"] < 1e-5
    assert ("experts/load_entropy" in figures) == (kind in MIXTURES)

    before = weights(policy)
    figures = learn_by_heart(policy, examples)
    assert figures["train/loss"] < figures["first"] * 2 / 3
    assert moved_parts(policy, before) == parts
    assert ("experts/max_violation" in figures) == (kind in MIXTURES)
    if kind in MIXTURES:
        assert 0.0 < figures["experts/load_entropy"] <= 1.0
        assert figures["experts/max_violation"] > 0.0 <= figures["experts/max_violation/0"]

    expected = logps(policy, examples)
    policy.save(tmp_path)
    again = load_policy(str(tmp_path))
    assert type(again.model) is type(policy.model)
    close(logps(again, examples), expected)
    problem = problems_of(kind)[0]
    assert again.encode(problem) == policy.encode(problem)
