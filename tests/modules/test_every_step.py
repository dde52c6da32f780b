"""Every stage steps alike in every precision, with and without an adapter, and whether layers are
computed once or twice.
"""

from collections.abc import Callable
from functools import cache, partial

import pytest
import torch
from torch import Tensor

from k15.engines.scripted import ScriptedEngine
from k15.losses.reward import binary, pairwise
from k15.models.gradient_checkpointing import checkpoint_layers
from k15.models.lora import Lora
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.modules.align import AlignModule
from k15.modules.base import PolicyModule
from k15.modules.language import LanguageModule
from k15.modules.reward_model import CotRewardModel, RewardModel
from k15.types import Example
from tests.closeness import close
from tests.models.architectures import examples_for
from tests.models.test_lora import move
from tests.modules import test_rl as rl
from tests.modules import test_supervised as supervised
from tests.modules.fitting import Batches, fit

Made = tuple[PolicyModule, list]
"""A module, and the batches of an epoch: one."""
WIDE, MIXED, NARROW = "32-true", "bf16-mixed", "bfloat16 weights"


def seeing() -> list[Example]:
    """Answers to pictures."""
    return examples_for("qwen3_vl")


def of_rl(of: Policy) -> Made:
    return rl.module_of(of), [rl.experience(of, rl.REWARDS)]


def of_language(of: Policy, examples: Callable[[], list[Example]], **settings) -> Made:
    return LanguageModule(of, learning_rate=1e-3, **settings), [examples()]


def of_align(of: Policy) -> Made:
    problems = [supervised.PICTURES.problem(index) for index in range(7)]
    return AlignModule(of, learning_rate=1e-3), [problems]


def of_reward(of: Policy, loss: Callable) -> Made:
    module = RewardModel(of, learning_rate=1e-3, loss=loss)
    torch.nn.init.normal_(module.model.score.weight, generator=torch.Generator().manual_seed(1))
    return module, [supervised.flat(supervised.judged())]


def of_cot(of: Policy) -> Made:
    module = CotRewardModel(of, learning_rate=1e-3, engine=ScriptedEngine({}), max_new_tokens=1)
    return module, [supervised.examples()]


STAGES: dict[str, Callable[[Policy], Made]] = {
    "pretrain, sft": partial(of_language, examples=supervised.examples),
    "align": of_align,
    "vision": partial(of_language, examples=seeing, train="vision"),
    "joint": partial(of_language, examples=seeing),
    "rl": of_rl,
    "reward_model": partial(of_reward, loss=binary),
    "reward_model, pairwise": partial(of_reward, loss=pairwise),
    "cot_reward_model": of_cot,
}


def policy(stage: str, precision: str, lora: bool, checkpointed: bool) -> Policy:
    """As `load_policy` makes one: weights, then the adapter, which here has moved."""
    torch.manual_seed(0)
    modality = "image" if stage in ("align", "vision", "joint") else "text"
    made = tiny_policy(words=rl.TASK.words, modality=modality, hidden_size=32, layers=2)
    if precision == NARROW:
        for parameter in made.model.parameters():
            parameter.data = parameter.data.bfloat16()
    if lora:
        Lora(rank=4, alpha=4).put_into(made.model)
        move(made)
    if checkpointed:
        checkpoint_layers(made.model)
    return made


@cache
def stepped(stage: str, precision: str, lora: bool, checkpointed: bool) -> tuple[Tensor, float]:
    """Gradient and loss of one step, the gradients in float64 and end to end."""
    module, batches = STAGES[stage](policy(stage, precision, lora, checkpointed))
    before = [parameter.detach().clone() for parameter in module.trained_parameters()]
    settings = {} if precision == NARROW else {"precision": precision}
    trainer = fit(module, Batches(batches), limit_val_batches=0, **settings)
    parameters = module.trained_parameters()
    assert any(not torch.equal(one, p) for one, p in zip(before, parameters, strict=True))
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    gradient = torch.cat([gradient.double().flatten() for gradient in gradients])
    return gradient, float(trainer.callback_metrics["train/loss"])


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("precision", [MIXED, NARROW])
def test_the_gradient_is_that_of_float32(stage: str, lora: bool, precision: str) -> None:
    """But for roundings of 1/256: it points the same way, and the loss is the same."""
    gradient, loss = stepped(stage, precision, lora, False)
    exact, expected = stepped(stage, WIDE, lora, False)
    assert gradient.isfinite().all() and exact.norm() > 0
    assert torch.cosine_similarity(gradient, exact, dim=0) > 0.999
    assert abs(gradient.norm() / exact.norm() - 1) < 0.03
    assert loss == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("precision", [WIDE, MIXED, NARROW])
def test_layers_that_are_computed_twice_round_alike(stage: str, lora: bool, precision: str) -> None:
    """In the same autocast, too."""
    close(stepped(stage, precision, lora, True), stepped(stage, precision, lora, False))


@pytest.mark.parametrize("lora", [False, True])
def test_what_is_trained_in_bfloat16(lora: bool) -> None:
    """An adapter stays in float32 beside bfloat16 weights."""
    module, _ = of_rl(policy("rl", NARROW, lora, False))
    kinds = {parameter.dtype for parameter in module.trained_parameters()}
    assert kinds == {torch.float32 if lora else torch.bfloat16}
