from dataclasses import replace

import pytest
import torch

from k15.losses.mirror_descent import mirror_descent
from k15.losses.policy_loss import LossInputs
from k15.models.layouts.base import micro_batches
from k15.models.layouts.bucketed import Bucketed
from k15.models.layouts.packed import Packed
from k15.models.layouts.shared import Shared
from k15.models.logps import response_logps
from k15.types import Example
from tests.closeness import close
from tests.models.architectures import examples_for, gradients, own_forward, policy_named

BUCKETED, PACKED = Bucketed(), Packed()


def loss_and_gradient(name, cuts, layout, **kwargs):
    """Cross-entropy in which every sequence has another weight, summed over micro-batches."""
    policy, examples = policy_named(name), examples_for(name)
    policy.model.zero_grad()
    loss = 0.0
    for indices in cuts:
        batch = layout.collate(policy, [examples[index] for index in indices])
        logp = response_logps(policy, batch, **kwargs)
        weight = torch.tensor(indices)[:, None] + 1
        part = -(logp * batch.mask * weight).sum() / 500
        part.backward()
        loss += part.item()
    return loss, gradients(policy)


every_model = pytest.mark.parametrize(
    "name", ["qwen3", "qwen3 eager", "qwen2", "gemma2", "qwen3_vl"]
)


@every_model
@pytest.mark.parametrize("layout", [BUCKETED, PACKED])
def test_equal_to_the_models_own_forward(name, layout):
    policy, examples = policy_named(name), examples_for(name)
    batch = layout.collate(policy, examples)
    for temperature in (1.0, 0.7):
        logp = response_logps(policy, batch, temperature=temperature)
        for row, example in zip(logp, examples, strict=True):
            length = len(example.response_tokens)
            close(row[:length], own_forward(policy, example, temperature))
            assert row[length:].eq(0).all()


@every_model
def test_layouts_have_the_same_loss_and_gradient(name):
    one_by_one = loss_and_gradient(name, [[0], [1], [2], [3], [4]], BUCKETED)
    assert max(gradient.abs().max() for gradient in one_by_one[1].values()) > 0.1
    for cuts in ([[0, 1, 2, 3, 4]], [[4, 1], [3, 0, 2]]):
        for layout in (BUCKETED, PACKED):
            close(loss_and_gradient(name, cuts, layout), one_by_one)


@every_model
def test_packed_sequences_do_not_see_each_other(name):
    policy, examples = policy_named(name), list(examples_for(name))
    before = response_logps(policy, PACKED.collate(policy, examples))
    response = examples[1].response_tokens
    examples[1] = replace(examples[1], response_tokens=(response[0] + 1, *response[1:]))
    after = response_logps(policy, PACKED.collate(policy, examples))
    assert (before[1] - after[1]).abs().max() > 1e-2
    close(after[[0, 2, 3, 4]], before[[0, 2, 3, 4]])


@pytest.mark.parametrize("name", ["qwen3", "gemma2"])
@pytest.mark.parametrize("layout", [BUCKETED, PACKED])
def test_chunks_change_nothing(name, layout):
    cuts = [[0, 1, 2, 3, 4]]
    whole = loss_and_gradient(name, cuts, layout)
    close(loss_and_gradient(name, cuts, layout, tokens_per_chunk=7), whole)


def test_no_more_logits_than_a_chunk():
    policy, sizes = policy_named("qwen3"), []
    batch = BUCKETED.collate(policy, examples_for("qwen3"))
    head = policy.model.get_output_embeddings()
    hook = head.register_forward_hook(lambda *call: sizes.append(len(call[-1])))
    response_logps(policy, batch, tokens_per_chunk=7)
    hook.remove()
    tokens = sum(len(example.response_tokens) for example in examples_for("qwen3"))
    assert sum(sizes) == tokens and max(sizes) == 7


def test_examples_without_a_response():
    policy = policy_named("qwen3")
    examples = [Example(prompt_tokens=(9, 10, 11), response_tokens=()), examples_for("qwen3")[0]]
    for layout in (BUCKETED, PACKED):
        logp = response_logps(policy, layout.collate(policy, examples))
        assert logp[0].eq(0).all()
        close(logp[1], own_forward(policy, examples[1]))
        assert response_logps(policy, layout.collate(policy, examples[:1])).shape == (1, 0)


@pytest.mark.parametrize("name", ["qwen3", "qwen3_vl"])
@pytest.mark.parametrize("layout", [BUCKETED, PACKED, Shared()])
def test_mirror_descent_does_not_depend_on_the_budget(name, layout):
    policy, examples = policy_named(name), examples_for(name)
    counts = {"sequences": len(examples), "tokens": sum(sum(e.loss_mask) for e in examples)}
    advantage = torch.tensor([0.8, -0.2, -0.2, -0.2, -0.2]) / 10

    def step(budget):
        policy.model.zero_grad()
        loss, metrics = 0.0, {"sequence_log_ratio": 0.0, "squared_penalty": 0.0}
        for indices, batch in micro_batches(layout, policy, examples, budget):
            logp = response_logps(policy, batch)
            reference = logp.detach() - 0.03
            inputs = LossInputs(
                logp_BT=logp,
                reference_logp_BT=reference,
                engine_logp_BT=reference,
                advantage_BT=advantage[indices, None],
                mask_BT=batch.mask,
                **counts,
            )
            part, some = mirror_descent(inputs, tau=0.1)
            part.backward()
            loss += part.item()
            metrics = {key: value + some[key].item() for key, value in metrics.items()}
        return loss, metrics, gradients(policy)

    whole = step(10_000)
    assert len(list(micro_batches(layout, policy, examples, 100))) > 1
    for budget in (1, 100):
        close(step(budget), whole)


def test_refuses_what_it_cannot_compute():
    policy = policy_named("qwen3")
    batch = BUCKETED.collate(policy, examples_for("qwen3"))
    with pytest.raises(ValueError, match="temperature=0"):
        response_logps(policy, batch, temperature=0)
    with pytest.raises(ValueError, match="tokens_per_chunk=0"):
        response_logps(policy, batch, tokens_per_chunk=0)
