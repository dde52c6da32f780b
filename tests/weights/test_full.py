"""A copy of a model that is given the weights of a trained one computes what the trained one does,
and the names are those of its Hugging Face folder.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Replicate, distribute_tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
)

from k15.engines.protocol import Request, Sampling
from k15.engines.transformers import TransformersEngine
from k15.models.lora import Lora
from k15.models.policy import Policy
from k15.types import Example
from k15.weights.full import full_weights, gathered, load_full_weights
from tests.closeness import close
from tests.models.architectures import build, examples_for, own_forward, policy_named

HEADS = {"num_attention_heads": 4, "num_key_value_heads": 4}
SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "vocab_size": 64}


def llava() -> Any:
    """In memory the language model's names are others than in the folder."""
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=16,
        patch_size=8,
    )
    text = LlamaConfig(**SIZES, **HEADS)
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_index=5)
    return LlavaForConditionalGeneration(config)


def experts() -> Any:
    """In memory all experts of a layer are one tensor."""
    mixture = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
    config = AutoConfig.for_model("qwen3_moe", **SIZES, **HEADS, **mixture, head_dim=8)
    return AutoModelForCausalLM.from_config(config)


MODELS: dict[str, Callable[[], Any]] = {
    "tied": lambda: build("qwen3").model,
    "untied": lambda: build("llama").model,
    "vision": lambda: build("qwen3_vl").model,
    "names of its own": llava,
    "a mixture of experts": experts,
}


def moved(policy: Policy) -> Policy:
    """Every weight is another one, as after an optimizer step."""
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return policy


def trained_logps(policy: Policy, name: str) -> list[torch.Tensor]:
    """By the model's own forward, of the responses that stand for `name`."""
    with torch.no_grad():
        return [own_forward(policy, example) for example in examples_for(name)]


@pytest.mark.parametrize("name", ["qwen3", "llama", "qwen3_vl"])
def test_an_engine_with_a_copy_samples_from_the_weights_it_was_last_given(name: str) -> None:
    """Tied, untied, with pictures. Its own log-probabilities of what it samples are the trainer's:
    before the weights move, after they were sent, but not in between.
    """
    policy = build(name)
    engine = TransformersEngine(policy, slots=4, copy=True)
    examples = examples_for(name)
    requests = [
        Request(tokens=e.prompt_tokens, images=e.images, max_new_tokens=6, seed=index)
        for index, e in enumerate(examples)
    ]

    def difference() -> float:
        """Largest |log-probability of the engine - that of the trainer| in nats."""
        found = []
        for one in engine.generate(requests, Sampling()):
            sampled = Example(
                prompt_tokens=requests[one.index].tokens,
                response_tokens=one.tokens,
                images=requests[one.index].images,
            )
            with torch.no_grad():
                logp_T = own_forward(policy, sampled)
            found.append(float((logp_T - torch.tensor(one.logps)).abs().max()))
        return max(found)

    assert difference() < 1e-5
    moved(policy)
    assert difference() > 0.1
    engine.load_weights(full_weights(policy.model), 1)
    assert engine.version == 1 and difference() < 1e-5


@pytest.mark.parametrize("name", ["qwen3", "llama", "qwen3_vl"])
def test_an_untied_copy_gets_the_head_too(name: str) -> None:
    """An engine may keep a packed copy of a tied head: under its own name it has to come as well.

    Without it log-probabilities stay off.
    """
    policy, copy = build(name), build(name).copy()
    head = copy.model.get_output_embeddings()
    head.weight = torch.nn.Parameter(head.weight.detach().clone(), requires_grad=False)
    moved(policy)
    given = dict(full_weights(policy.model))
    if name != "llama":
        parameters = dict(policy.model.named_parameters())
        assert given.keys() - parameters.keys() == {"lm_head.weight"}
        copy.model.load_state_dict(parameters, strict=False)
        off = zip(trained_logps(copy, name), trained_logps(policy, name), strict=True)
        assert max(float((a - b).abs().max()) for a, b in off) > 0.01
    copy.model.load_state_dict(given)
    close(torch.cat(trained_logps(copy, name)), torch.cat(trained_logps(policy, name)))


@pytest.mark.parametrize("name", MODELS)
def test_the_names_are_those_of_the_folder(name: str, tmp_path: Path) -> None:
    """Only tied copies come on top, bit for bit; a model that was loaded gives the same."""
    model = MODELS[name]()
    model.save_pretrained(tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    for of in (model, type(model).from_pretrained(tmp_path)):
        given = dict(full_weights(of))
        assert given.keys() - saved.keys() == (
            {"lm_head.weight"} if name in ("tied", "vision") else set()
        )
        assert all(torch.equal(given[key], saved[key]) for key in saved)


@pytest.mark.parametrize("name", MODELS)
def test_what_was_given_is_taken(name: str) -> None:
    """The way back through names of the folder, into a model with other weights."""
    torch.manual_seed(0)
    source = MODELS[name]()
    target = MODELS[name]()
    with torch.no_grad():
        for parameter in target.parameters():
            parameter.fill_(0.5)
    before = torch.get_rng_state()
    load_full_weights(target, full_weights(source))
    assert torch.equal(torch.get_rng_state(), before)  # sampling goes on as it would have
    expected, found = source.state_dict(), target.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    storages = [{t.data_ptr() for t in m.state_dict().values()} for m in (source, target)]
    assert not storages[0] & storages[1]


@pytest.mark.parametrize("name", MODELS)
def test_an_adapter_comes_within_the_weights_that_it_changes(name: str) -> None:
    """W + 2 B A with rank 4 and alpha 8, under the names of a model without adapters."""
    torch.manual_seed(0)
    plain = MODELS[name]()
    adapted = copy.deepcopy(plain)
    Lora(rank=4, alpha=8).put_into(adapted)
    layers = {n: m for n, m in adapted.named_modules() if hasattr(m, "lora_A")}
    for layer, module in layers.items():
        with torch.no_grad():
            a, b = (side["default"].weight.normal_() for side in (module.lora_A, module.lora_B))
            plain.get_submodule(layer).weight += 2 * b @ a
    assert len(layers) > 7
    expected, found = dict(full_weights(plain)), dict(full_weights(adapted))
    assert not any("lora" in key or "base_layer" in key for key in found)
    close(found, expected)
    load_full_weights(MODELS[name](), found.items())


def test_weights_of_another_model_are_refused_by_name() -> None:
    model = build("llama").model
    given = dict(full_weights(model))
    given["model.norm.bias"] = given.pop("model.norm.weight")
    with pytest.raises(ValueError, match=r"missing: \['model\.norm\.w.*unexpected: \['model\.norm"):
        load_full_weights(model, given.items())


def test_a_shared_engine_reads_the_weights_where_they_are_trained() -> None:
    policy = policy_named("qwen3")
    engine = TransformersEngine(policy)
    assert engine.policy is policy and engine.version is None
    engine.load_weights(full_weights(policy.model), 3)
    assert engine.version == 3


def test_a_tensor_that_ranks_share_is_gathered() -> None:
    """One rank here: a DTensor becomes the plain tensor it stands for."""
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.HashStore(), rank=0, world_size=1
    )
    try:
        whole = torch.arange(6.0).view(2, 3)
        shared = distribute_tensor(whole, init_device_mesh("cpu", (1,)), [Replicate()])
        assert type(gathered(shared)) is torch.Tensor and torch.equal(gathered(shared), whole)
    finally:
        torch.distributed.destroy_process_group()
