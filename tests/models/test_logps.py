from dataclasses import replace
from functools import cache
from random import Random

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from k15.losses.mirror_descent import mirror_descent
from k15.models.batching import collate, cut, expanded_length
from k15.models.logps import response_logps
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24
from k15.types import Example


def close(actual, expected, atol=1e-5):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


def hugging_face(model_type, **sizes):
    """A tiny policy of another architecture: 4 heads that share 2 key-value heads."""
    tokenizer = tiny_policy(words=Make24().words).tokenizer
    sizes |= {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    special = {"vocab_size": len(tokenizer), "pad_token_id": 0, "eos_token_id": 1}
    config = AutoConfig.for_model(
        model_type, initializer_range=0.2, bos_token_id=None, **sizes, **heads, **special
    )
    return Policy(AutoModelForCausalLM.from_config(config), tokenizer)


@cache
def policy_named(name):
    """Weights are large, so that differences show."""
    torch.manual_seed(0)
    if name == "qwen2":
        return hugging_face("qwen2")
    if name == "gemma2":  # soft-capped logits, every other layer looks 8 tokens back
        return hugging_face("gemma2", head_dim=8, sliding_window=8, final_logit_softcapping=2.0)
    modality = "image" if name == "qwen3_vl" else "text"
    policy = tiny_policy(words=Make24().words, modality=modality, initializer_range=0.2)
    if name == "qwen3 eager":
        policy.model.set_attn_implementation("eager")
    return policy


@cache
def examples_for(name):
    """Five problems; some tokens, and one whole response, are left out of the loss."""
    task = Make24(modality="image" if name == "qwen3_vl" else "text")
    policy, rng, examples = policy_named(name), Random(0), []
    for index in range(5):
        problem = task.problem(index)
        text = task.demonstrate(problem, rng, max_trials=4, give_up=0.3)
        response = policy.encode_response(text)
        mask = tuple(index != 3 and (index != 1 or token > 4) for token in range(len(response)))
        prompt = policy.encode(problem)
        examples.append(
            Example(
                prompt_tokens=prompt,
                response_tokens=response,
                loss_mask=mask,
                images=problem.images,
            )
        )
    return examples


def own_forward(policy, example, temperature=1.0):
    """[T] by the model's own forward on this sequence alone, positions left to transformers."""
    tokens = (*example.prompt_tokens, *example.response_tokens)
    expanded = policy.expand(tokens, example.images)
    ids = torch.tensor([expanded.tokens])
    kinds = {}
    if example.images:
        kinds["mm_token_type_ids"] = (ids == policy.model.config.image_token_id).int()
    logits = policy.model(input_ids=ids, **expanded.features, **kinds).logits[0]
    first = len(expanded.tokens) - len(example.response_tokens)
    logp = (logits[first - 1 : -1] / temperature).log_softmax(-1)
    return logp.gather(-1, ids[0, first:, None])[:, 0]


def loss_and_gradient(name, cuts, layout, **kwargs):
    """Cross-entropy in which every sequence has another weight, summed over micro-batches."""
    policy, examples = policy_named(name), examples_for(name)
    policy.model.zero_grad()
    loss = 0.0
    for indices in cuts:
        batch = collate(policy, [examples[index] for index in indices], layout)
        logp = response_logps(policy, batch, **kwargs)
        weight = torch.tensor(indices)[:, None] + 1
        part = -(logp * batch.mask * weight).sum() / 500
        part.backward()
        loss += part.item()
    return loss, gradients(policy)


def gradients(policy):
    named = policy.model.named_parameters()
    return {name: p.grad.clone() for name, p in named if p.grad is not None}


every_model = pytest.mark.parametrize(
    "name", ["qwen3", "qwen3 eager", "qwen2", "gemma2", "qwen3_vl"]
)


@every_model
@pytest.mark.parametrize("layout", ["bucketed", "packed"])
def test_equal_to_the_models_own_forward(name, layout):
    policy, examples = policy_named(name), examples_for(name)
    batch = collate(policy, examples, layout)
    for temperature in (1.0, 0.7):
        logp = response_logps(policy, batch, temperature=temperature)
        for row, example in zip(logp, examples, strict=True):
            length = len(example.response_tokens)
            close(row[:length], own_forward(policy, example, temperature))
            assert row[length:].eq(0).all()


@every_model
def test_layouts_have_the_same_loss_and_gradient(name):
    one_by_one = loss_and_gradient(name, [[0], [1], [2], [3], [4]], "bucketed")
    assert max(gradient.abs().max() for gradient in one_by_one[1].values()) > 0.1
    for cuts in ([[0, 1, 2, 3, 4]], [[4, 1], [3, 0, 2]]):
        for layout in ("bucketed", "packed"):
            close(loss_and_gradient(name, cuts, layout), one_by_one)


@every_model
def test_packed_sequences_do_not_see_each_other(name):
    policy, examples = policy_named(name), list(examples_for(name))
    before = response_logps(policy, collate(policy, examples, "packed"))
    response = examples[1].response_tokens
    examples[1] = replace(examples[1], response_tokens=(response[0] + 1, *response[1:]))
    after = response_logps(policy, collate(policy, examples, "packed"))
    changed = (before - after).abs().amax(-1)
    assert changed[1] > 1e-2
    assert changed[[0, 2, 3, 4]].max() < 1e-6


@pytest.mark.parametrize("name", ["qwen3", "gemma2"])
@pytest.mark.parametrize("layout", ["bucketed", "packed"])
def test_chunks_change_nothing(name, layout):
    cuts = [[0, 1, 2, 3, 4]]
    whole = loss_and_gradient(name, cuts, layout)
    close(loss_and_gradient(name, cuts, layout, tokens_per_chunk=7), whole, atol=1e-6)


def test_no_more_logits_than_a_chunk():
    policy, sizes = policy_named("qwen3"), []
    batch = collate(policy, examples_for("qwen3"), "bucketed")
    head = policy.model.get_output_embeddings()
    hook = head.register_forward_hook(lambda *call: sizes.append(len(call[-1])))
    response_logps(policy, batch, tokens_per_chunk=7)
    hook.remove()
    tokens = sum(len(example.response_tokens) for example in examples_for("qwen3"))
    assert sum(sizes) == tokens and max(sizes) == 7


def test_examples_without_a_response():
    policy = policy_named("qwen3")
    examples = [Example(prompt_tokens=(9, 10, 11), response_tokens=()), examples_for("qwen3")[0]]
    for layout in ("bucketed", "packed"):
        logp = response_logps(policy, collate(policy, examples, layout))
        assert logp[0].eq(0).all()
        close(logp[1], own_forward(policy, examples[1]))
        assert response_logps(policy, collate(policy, examples[:1], layout)).shape == (1, 0)


@pytest.mark.parametrize("name", ["qwen3", "qwen3_vl"])
@pytest.mark.parametrize("layout", ["bucketed", "packed"])
def test_mirror_descent_does_not_depend_on_the_budget(name, layout):
    policy, examples = policy_named(name), examples_for(name)
    lengths = [expanded_length(policy, example) for example in examples]
    counts = {"sequences": len(examples), "tokens": sum(sum(e.loss_mask) for e in examples)}
    advantage = torch.tensor([0.8, -0.2, -0.2, -0.2, -0.2]) / 10

    def step(budget):
        policy.model.zero_grad()
        loss, metrics = 0.0, {"sequence_log_ratio": 0.0, "squared_penalty": 0.0}
        for indices in cut(lengths, budget, layout):
            batch = collate(policy, [examples[index] for index in indices], layout)
            logp = response_logps(policy, batch)
            reference = logp.detach() - 0.03
            part, some = mirror_descent(
                logp, reference, advantage[indices], batch.mask, tau=0.1, **counts
            )
            part.backward()
            loss += part.item()
            metrics = {key: value + some[key].item() for key, value in metrics.items()}
        return loss, metrics, gradients(policy)

    whole = step(10_000)
    assert len(cut(lengths, 100, layout)) > 1
    for budget in (1, 100):
        close(step(budget), whole)


def test_refuses_what_it_cannot_compute():
    policy = policy_named("qwen3")
    batch = collate(policy, examples_for("qwen3"), "bucketed")
    with pytest.raises(ValueError, match="temperature=0"):
        response_logps(policy, batch, temperature=0)
    with pytest.raises(ValueError, match="tokens_per_chunk=0"):
        response_logps(policy, batch, tokens_per_chunk=0)
    scaled = tiny_policy(words=Make24().words)
    scaled.model.config.logit_scale = 0.0625  # as Cohere has it
    with pytest.raises(ValueError, match=r"logit_scale=0\.0625"):
        response_logps(scaled, batch)
