"""Layers that are computed again give the gradients that they give when they are not, and run twice
only where there is a gradient.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread

import pytest
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from k15.config import ConfigError
from k15.engines.protocol import Request, Sampling
from k15.engines.transformers import TransformersEngine
from k15.models.gradient_checkpointing import checkpoint_layers, layers_of
from k15.models.layouts.base import Layout, micro_batches
from k15.models.layouts.bucketed import Bucketed
from k15.models.layouts.packed import Packed
from k15.models.layouts.shared import Shared
from k15.models.loading import load_policy
from k15.models.logps import response_logps
from k15.models.lora import Lora
from k15.models.policy import Policy
from tests.closeness import close
from tests.models.architectures import build, examples_for, gradients

LAYOUTS = [Bucketed(), Packed(), Shared()]


def policy(name: str, *, checkpointed: bool, lora: bool = False) -> Policy:
    made = build(name)
    if lora:
        torch.manual_seed(1)
        Lora(rank=4).put_into(made.model)
    if checkpointed:
        checkpoint_layers(made.model)
    made.model.eval()  # as RL has it
    return made


@contextmanager
def counted(of: Policy) -> Iterator[Counter]:
    """How often each layer's attention is computed."""
    calls: Counter = Counter()
    named = [(n, m) for n, m in of.model.named_modules() if n.endswith(("self_attn", ".attn"))]
    hooks = [
        module.register_forward_pre_hook(lambda *_, name=name: calls.update([name]))
        for name, module in named
    ]
    yield calls
    for hook in hooks:
        hook.remove()


def step(of: Policy, name: str, layout: Layout) -> dict[str, Tensor]:
    """Gradients of all responses, in two or more micro-batches."""
    of.model.zero_grad()
    for indices, batch in micro_batches(layout, of, examples_for(name), 100):
        weight = torch.tensor(indices)[:, None] + 1
        (response_logps(of, batch) * batch.mask * weight).sum().backward()
    return gradients(of)


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
@pytest.mark.parametrize("name", ["llama", "qwen2", "qwen3_vl"])
def test_the_same_gradients_from_layers_that_run_twice(
    name: str, layout: Layout, lora: bool
) -> None:
    """Also of frozen weights beside an adapter, and of a vision tower."""
    kept, again = (policy(name, checkpointed=on, lora=lora) for on in (False, True))
    with counted(kept) as once:
        expected = step(kept, name, layout)
    with counted(again) as twice:
        found = step(again, name, layout)
    assert once and twice == Counter({module: 2 * calls for module, calls in once.items()})
    assert max(float(gradient.abs().max()) for gradient in expected.values()) > 0.1
    assert any(".visual." in module for module in twice) == (name == "qwen3_vl")
    close(found, expected)


def test_the_backward_pass_attends_as_the_forward_pass_did_in_any_thread() -> None:
    """A batch with shared prompts, another one behind it, and a backward pass somewhere else."""
    name, losses = "llama", []
    kept, again = (policy(name, checkpointed=on) for on in (False, True))
    examples = examples_for(name)
    both = [replace(each, prompt_tokens=examples[0].prompt_tokens) for each in examples[:2]]
    for of in (kept, again):
        batches = [layout.collate(of, both) for layout in (Shared(), Bucketed())]
        losses.append(sum(response_logps(of, batch).sum() for batch in batches))
        thread = Thread(target=losses[-1].backward)
        thread.start()
        thread.join()
        assert of.model.config._attn_implementation == "sdpa"
    close(losses[1], losses[0])
    close(gradients(again), gradients(kept))


def test_dropout_is_the_same_both_times() -> None:
    """In training mode; with another one in the backward pass the slope would be wrong."""
    tokenizer = build("llama").tokenizer
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "initializer_range": 0.2}
    config = GPT2Config(vocab_size=len(tokenizer), eos_token_id=1, bos_token_id=None, **sizes)
    found = []
    for checkpointed in (False, True):
        torch.manual_seed(0)
        model = GPT2LMHeadModel(config)
        if checkpointed:
            checkpoint_layers(model)
        of = Policy(model.train(), tokenizer)
        torch.manual_seed(1)
        response_logps(of, Bucketed().collate(of, examples_for("llama"))).sum().backward()
        found.append(gradients(of))
    close(found[1], found[0])


def test_sampling_and_evaluation_run_once() -> None:
    of, plain = (policy("llama", checkpointed=on) for on in (True, False))
    example = examples_for("llama")[0]
    request = Request(tokens=example.prompt_tokens, max_new_tokens=5)
    engines = [TransformersEngine(each) for each in (of, plain)]
    with counted(of) as calls, torch.no_grad():
        response_logps(of, Bucketed().collate(of, [example]))
    assert set(calls.values()) == {1}
    found, expected = (next(e.generate([request], Sampling(temperature=1.0))) for e in engines)
    assert (found.tokens, found.logps) == (expected.tokens, expected.logps)


def test_a_copy_computes_its_own_layers() -> None:
    """An engine's copy keeps its weights while the policy's change."""
    of = policy("llama", checkpointed=True)
    batch, copy = Bucketed().collate(of, examples_for("llama")), of.copy()
    before = response_logps(copy, batch)
    with torch.no_grad():
        for parameter in of.model.parameters():
            parameter.zero_()
    close(response_logps(copy, batch), before)


def test_an_option_of_the_model_group(tmp_path) -> None:
    build("llama").save(tmp_path)
    loaded = load_policy(str(tmp_path), gradient_checkpointing=True, lora=Lora(rank=2))
    with counted(loaded) as calls:
        response_logps(loaded, Bucketed().collate(loaded, examples_for("llama"))).sum().backward()
    assert set(calls.values()) == {2} and len(calls) == len(layers_of(loaded.model, "")) == 2


def test_a_model_without_such_layers_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"gradient_checkpointing=true: .*layers of Linear"):
        checkpoint_layers(torch.nn.Linear(2, 2))
