"""Two processes take the steps of one: the same gradients, figures and weights."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from k15.datamodules.demonstrations import DemonstrationData
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.modules.language import LanguageModule
from k15.problems.sources import TaskSource
from k15.sharding.strategy import ShardedStrategy
from k15.tasks.make24 import Make24
from k15.types import Experience
from tests.closeness import close
from tests.modules.test_rl import Fixed, experience, module_of
from tests.two_ranks import on_two, trained

SEEN = Make24(levels=(1, 2), modality="image")
REWARDS = [[1.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.5], [1.0, 1.0, 1.0]]
TIMES = ("seconds", "per_second")


def seeing() -> Policy:
    torch.manual_seed(0)
    return tiny_policy(words=SEEN.words, modality="image", hidden_size=32, layers=1)


def with_a_picture(of: Policy) -> Experience:
    """The problem of the second group alone is shown; the last group carries no signal."""
    batch = experience(of, REWARDS)
    shown = SEEN.problem(1)
    group = replace(batch.groups[1], problem=shown, prompt_tokens=of.encode(shown))
    return replace(batch, groups=(batch.groups[0], group, *batch.groups[2:]))


def rl(minibatches: int, tokens: int, sent: str | None = None) -> dict[str, Any]:
    """`sent`: when gradients are, of a model that is spread over the ranks."""
    of = seeing()
    module = module_of(
        of,
        minibatches_per_iteration=minibatches,
        problems_per_iteration=12,
        tokens_per_microbatch=tokens,
        gradient_clip=0.5,
        kl_to_start=True,
    )
    return trained(module, Fixed(with_a_picture(of)), max_epochs=2, **spread(sent))


def spread(sent: str | None) -> dict[str, Any]:
    return {} if sent is None else {"strategy": ShardedStrategy(send_gradients=sent)}


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """To 1e-5 of the largest number of each tensor; times are others."""
    assert found["figures"].keys() == expected["figures"].keys()
    for name, value in expected["figures"].items():
        if not name.endswith(TIMES):
            assert found["figures"][name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
    assert len(found["gradients"]) == len(expected["gradients"])
    for step, others in zip(found["gradients"], expected["gradients"], strict=True):
        assert step.keys() == others.keys()
        for name, gradient in others.items():
            close(step[name], gradient, 1e-5)


@pytest.mark.parametrize(
    ("minibatches", "tokens", "sent"),
    [
        (1, 60, None),  # many micro-batches, unequal numbers of them
        (1, 60, "each"),
        (1, 60, "last"),
        (3, 4096, None),  # two groups, one, one: each time a rank has none
        (3, 4096, "each"),
    ],
)
def test_rl_on_two_ranks_is_rl_on_one(minibatches: int, tokens: int, sent: str | None) -> None:
    """One group has a picture, so one rank alone computes with the vision tower."""
    expected = rl(minibatches, tokens)
    first, second = on_two(rl, minibatches, tokens, sent)
    assert len(expected["gradients"]) == 2 * minibatches
    same(first, expected)
    same(second, expected)
    for name, weight in first["weights"].items():
        assert torch.equal(weight, second["weights"][name])


def text_alone(parts: int) -> dict[str, Any]:
    """One step; `parts`: of each layer, on ranks that have the same data."""
    torch.manual_seed(0)
    of = tiny_policy(words=SEEN.words, hidden_size=64, layers=2)
    module = module_of(of, tokens_per_microbatch=60, gradient_clip=0.5, kl_to_start=True)
    strategy = {"strategy": ShardedStrategy(tensor_parallel_size=parts)} if parts > 1 else {}
    return trained(module, Fixed(experience(of, REWARDS)), **strategy)


def test_layers_that_two_ranks_compute_together_have_the_gradient_of_one() -> None:
    expected = text_alone(1)
    for found in on_two(text_alone, 2):
        same(found, expected)


def without_signal() -> dict[str, Any]:
    of = seeing()
    return trained(module_of(of), Fixed(experience(of, [[1.0] * 3] * 4)))


def test_an_iteration_without_signal_ends_on_two_ranks() -> None:
    for found in on_two(without_signal):
        assert found["gradients"] == [] and found["figures"]["train/steps"] == 0


def sft(accumulate: int, sent: str | None = None) -> dict[str, Any]:
    source = TaskSource(SEEN, held_out_problems=20)
    module = LanguageModule(seeing(), learning_rate=1e-3)
    data = DemonstrationData(
        policy=module.policy, source=source, tokens=240, tokens_per_batch=80, held_out_examples=3
    )
    return trained(module, data, accumulate_grad_batches=accumulate, **spread(sent))


@pytest.mark.parametrize(
    ("accumulate", "sent"), [(1, None), (3, None), (1, "each"), (3, "each"), (3, "last")]
)
def test_sft_on_two_ranks_is_sft_on_one(accumulate: int, sent: str | None) -> None:
    """Batches of one to a few sequences: some have nothing for the second rank."""
    expected = sft(accumulate)
    first, second = on_two(sft, accumulate, sent)
    same(first, expected)
    same(second, expected)
    for name, weight in first["weights"].items():
        assert torch.equal(weight, second["weights"][name])
