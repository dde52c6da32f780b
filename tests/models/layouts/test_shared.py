from contextlib import suppress
from dataclasses import replace

import pytest
import torch

from k15.models.layouts.base import micro_batches
from k15.models.layouts.bucketed import Bucketed
from k15.models.layouts.shared import Shared, by_prompt
from k15.models.logps import response_logps
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24
from k15.types import Example
from tests.closeness import close
from tests.models.architectures import examples_for, gradients, own_forward, policy_named

POLICY = tiny_policy(words=Make24().words)
EXAMPLES = (
    Example(prompt_tokens=(10, 11), response_tokens=(12, 13, 14)),
    Example(prompt_tokens=(20,), response_tokens=(21,)),
    Example(prompt_tokens=(10, 11), response_tokens=(15, 16), loss_mask=(False, True)),
)
SHARED = Shared()
MODELS = ["qwen3", "qwen2", "qwen3_vl"]


def groups_for(name):
    """Three problems with four responses each, in an order that mixes them."""
    found = examples_for(name)
    mixed = []
    for shift in range(4):
        for index in range(3):
            other = found[(index + shift) % 5]
            mixed.append(
                replace(
                    found[index],
                    response_tokens=other.response_tokens[shift:],
                    loss_mask=other.loss_mask[shift:],
                )
            )
    return mixed


def test_laid_out_by_hand():
    batch = SHARED.collate(POLICY, EXAMPLES)
    # 10 11 | 12 13 (14 predicts nothing) | 15 (16) || 20 | (21)
    assert batch.tokens.tolist() == [[10, 11, 12, 13, 15, 20]]
    assert batch.positions.tolist() == [[0, 1, 2, 3, 2, 0]]
    assert batch.source_index.tolist() == [[1, 2, 3], [5, 0, 0], [1, 4, 0]]
    assert batch.targets.tolist() == [[12, 13, 14], [21, 0, 0], [15, 16, 0]]
    assert batch.mask.tolist() == [[True] * 3, [True, False, False], [False, True, False]]
    places = batch.places
    assert places.buckets == ((2, 4), (1, 1))  # lengths 4 and 3 (3 >= 0.75 * 4), then 1
    assert places.token_N.tolist() == [0, 1, 2, 3, 0, 1, 4, 0, 5]
    assert places.first_T.tolist() == [0, 1, 2, 3, 6, 8]
    assert places.origin_N.tolist() == [0, 1, 2, 3, 6, 6, 4, 6, 5]
    assert (places.copy_C.tolist(), places.copied_C.tolist()) == ([4, 5], [0, 1])


def test_cut_by_hand():
    assert by_prompt(EXAMPLES) == [[0, 2], [1]]
    assert SHARED.plan(POLICY, EXAMPLES, 6) == [[0, 2, 1]]  # 2 + 2 + 1, 1 + 0
    assert SHARED.plan(POLICY, EXAMPLES, 5) == [[0, 2], [1]]
    assert SHARED.plan(POLICY, EXAMPLES, 4) == [[0], [2, 1]]  # the prompt again: 2 + 1, 1 + 0
    assert SHARED.plan(POLICY, EXAMPLES, 1) == [[0], [2], [1]]
    assert SHARED.plan(POLICY, [], 1) == []


@pytest.mark.parametrize("budget", [1, 40, 100, 10_000])
def test_cut_takes_every_example_once_within_the_budget(budget):
    examples = groups_for("qwen3")
    batches = SHARED.plan(POLICY, examples, budget)
    assert sorted(index for batch in batches for index in batch) == list(range(12))
    for batch in batches:
        held = SHARED.collate(POLICY, [examples[index] for index in batch]).tokens.shape[1]
        assert held <= budget or len(batch) == 1


@pytest.mark.parametrize("name", MODELS)
def test_equal_to_the_models_own_forward(name):
    policy, examples = policy_named(name), groups_for(name)
    logp = response_logps(policy, SHARED.collate(policy, examples))
    for row, example in zip(logp, examples, strict=True):
        length = len(example.response_tokens)
        close(row[:length], own_forward(policy, example))
        assert row[length:].eq(0).all()


@pytest.mark.parametrize("name", MODELS)
def test_same_loss_and_gradient_as_one_by_one(name):
    policy, examples = policy_named(name), groups_for(name)

    def step(layout, budget):
        policy.model.zero_grad()
        loss = 0.0
        for indices, batch in micro_batches(layout, policy, examples, budget):
            weight = torch.tensor(indices)[:, None] + 1
            part = -(response_logps(policy, batch) * batch.mask * weight).sum() / 2000
            part.backward()
            loss += part.item()
        return loss, gradients(policy)

    one_by_one = step(Bucketed(), 1)
    assert max(gradient.abs().max() for gradient in one_by_one[1].values()) > 0.1
    for budget in (10_000, 150, 1):
        close(step(SHARED, budget), one_by_one)


@pytest.mark.parametrize("name", MODELS)
def test_responses_to_one_prompt_do_not_see_each_other(name):
    policy, examples = policy_named(name), groups_for(name)[::3]
    assert len(by_prompt(examples)) == 1
    before = response_logps(policy, SHARED.collate(policy, examples))
    response = examples[1].response_tokens
    examples[1] = replace(examples[1], response_tokens=(response[0] + 1, *response[1:]))
    after = response_logps(policy, SHARED.collate(policy, examples))
    assert (before[1] - after[1]).abs().max() > 1e-2
    close(after[[0, 2, 3]], before[[0, 2, 3]])


def test_pictures_go_through_the_tower_once():
    policy, examples = policy_named("qwen3_vl"), groups_for("qwen3_vl")
    one = policy.expand(examples[0].prompt_tokens, examples[0].images).features["pixel_values"]
    shared, padded = (
        layout.collate(policy, examples).features["pixel_values"] for layout in (SHARED, Bucketed())
    )
    assert (len(shared), len(padded)) == (3 * len(one), 12 * len(one))


def test_the_attention_is_switched_for_the_forward_pass_alone():
    policy, examples = policy_named("qwen3_vl"), groups_for("qwen3_vl")
    batch = SHARED.collate(policy, examples)
    for broken in (batch, replace(batch, positions=batch.positions[:, :, 1:])):
        with suppress(RuntimeError):
            response_logps(policy, broken)
        assert policy.model.config.get_text_config()._attn_implementation == "sdpa"
        assert policy.model.get_decoder().config._attn_implementation == "sdpa"


def test_an_attention_that_asks_for_more_is_an_error():
    policy = tiny_policy(words=Make24().words)
    policy.model.model.layers[0].self_attn.sliding_window = 8
    with pytest.raises(ValueError, match=r"sliding_window=8.*module\.layout=bucketed"):
        response_logps(policy, SHARED.collate(policy, EXAMPLES))
