"""LoRA: the adapter's forward is that of the merged weights, and nothing else is trained."""

import sys
from pathlib import Path

import peft
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    GPT2Config,
    GPT2LMHeadModel,
)

from k15.engines.protocol import Request, Sampling
from k15.engines.transformers import TransformersEngine
from k15.models.layouts.choice import choose_layout
from k15.models.loading import load_policy
from k15.models.logps import response_logps
from k15.models.lora import Lora, adapted, merged
from k15.models.policy import Policy
from k15.models.value_head import add_value_head, load_value_policy, scores
from k15.modules.language import LanguageModule
from k15.types import Example
from k15.weights.full import full_weights, load_full_weights
from tests.closeness import close
from tests.models.architectures import build, examples_for, own_forward

NAMES = ["qwen2", "llama", "qwen3_vl"]


def with_adapter(name: str, moved: bool = True, **settings) -> Policy:
    """Rank 4; `moved` is what training does to the adapter, which starts at B = 0."""
    policy = build(name)
    Lora(**({"rank": 4, "alpha": 4} | settings)).put_into(policy.model)
    if moved:
        move(policy)
    return policy


def move(policy: Policy) -> None:
    """Every trained number is another one, as after an optimizer step."""
    with torch.no_grad():
        for parameter in policy.model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)


def logps(policy: Policy, name: str) -> torch.Tensor:
    """Of all responses, by the model's own forward."""
    with torch.no_grad():
        return torch.cat([own_forward(policy, example) for example in examples_for(name)])


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_adapter_changes_nothing_and_a_trained_one_is_its_merged_weights(
    name: str, tmp_path: Path
) -> None:
    """While the layers are swapped, in a copy, from `full_weights`, in plain transformers, and with
    the adapter put by peft upon the base.
    """
    policy, base = with_adapter(name, moved=False), build(name)
    base.save(tmp_path / "base")
    assert torch.equal(logps(policy, name), logps(base, name))
    move(policy)
    expected, before = logps(policy, name), logps(base, name)
    assert float((expected - before).abs().max()) > 0.1
    own = {key: tensor.clone() for key, tensor in policy.model.state_dict().items()}
    with merged(policy.model):
        assert policy.model.state_dict().keys() == base.model.state_dict().keys()
        close(logps(policy, name), expected)
    after = policy.model.state_dict()
    assert own.keys() == after.keys() and all(torch.equal(after[key], own[key]) for key in own)
    copy = policy.copy()
    close(logps(copy, name), expected)
    assert not adapted(copy.model)

    load_full_weights(base.model, full_weights(policy.model))
    close(logps(base, name), expected)
    policy.save(tmp_path / "merged")
    auto = AutoModelForImageTextToText if name == "qwen3_vl" else AutoModelForCausalLM
    policy.model, plain = auto.from_pretrained(tmp_path / "merged"), policy.model
    close(logps(policy, name), expected)
    again = auto.from_pretrained(tmp_path / "base")
    loaded = peft.PeftModel.from_pretrained(again, tmp_path / "merged" / "adapter")
    policy.model = loaded.get_base_model()
    close(logps(policy, name), expected)
    trained = {key for key, p in plain.named_parameters() if p.requires_grad}
    assert trained == {key for key, _ in plain.named_parameters() if ".lora_" in key}


def test_conv1d_has_its_weights_the_other_way_round() -> None:
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "initializer_range": 0.2}
    tokenizer = build("qwen2").tokenizer
    config = GPT2Config(vocab_size=len(tokenizer), eos_token_id=1, bos_token_id=None, **sizes)
    policy = Policy(GPT2LMHeadModel(config).eval(), tokenizer)
    lora = Lora(rank=3, modules=["c_attn", "mlp.c_fc"])  # [32, 96] and [32, 128]
    lora.check("gpt2", policy.model)
    lora.put_into(policy.model)
    assert len(adapted(policy.model)) == 4
    move(policy)
    expected = logps(policy, "qwen2")
    with merged(policy.model):
        close(logps(policy, "qwen2"), expected)


def test_in_bfloat16_the_adapter_is_trained_in_float32() -> None:
    """Merged weights are rounded once: half a step of 2^-8 each."""
    policy = build("qwen2")
    policy.model.to(torch.bfloat16)
    Lora(rank=4).put_into(policy.model)
    move(policy)
    layer = adapted(policy.model)["model.layers.0.mlp.up_proj"]
    a, b = (side["default"].weight for side in (layer.lora_A, layer.lora_B))
    assert a.dtype == b.dtype == torch.float32
    exact = layer.base_layer.weight.double() + 32 / 4 * b.double() @ a.double()
    given = dict(full_weights(policy.model))["model.layers.0.mlp.up_proj.weight"]
    assert given.dtype == torch.bfloat16
    assert bool(((given.double() - exact).abs() <= 2**-8 * exact.abs()).all())
    assert policy.model.dtype == torch.bfloat16
    with torch.no_grad():
        assert torch.isfinite(own_forward(policy, examples_for("qwen2")[0])).all()


@pytest.mark.parametrize("copy", [False, True], ids=["in place", "with a copy"])
@pytest.mark.parametrize("name", NAMES)
def test_the_engine_samples_from_what_is_trained(name: str, copy: bool) -> None:
    """Its log-probabilities are the trainer's, before the adapter moves and once it was told."""
    policy, examples = with_adapter(name), examples_for(name)
    engine = TransformersEngine(policy, slots=4, copy=copy)
    requests = [
        Request(tokens=e.prompt_tokens, images=e.images, max_new_tokens=6, seed=index)
        for index, e in enumerate(examples)
    ]

    def difference() -> float:
        """Largest |log-probability of the engine - that of the trainer|, over the largest one."""
        off, largest = 0.0, 0.0
        for one in engine.generate(requests, Sampling()):
            request = requests[one.index]
            sampled = Example(
                prompt_tokens=request.tokens, response_tokens=one.tokens, images=request.images
            )
            with torch.no_grad():
                logp_T = own_forward(policy, sampled)
            off = max(off, float((logp_T - torch.tensor(one.logps)).abs().max()))
            largest = max(largest, float(logp_T.abs().max()))
        return off / largest

    assert difference() < 1e-5
    move(policy)
    assert (difference() > 0.01) is copy
    engine.load_weights(full_weights(policy.model), 1)
    assert difference() < 1e-5


@pytest.mark.parametrize("layout", ["bucketed", "shared"])
def test_the_layouts_give_the_adapter_its_gradient(layout: str) -> None:
    """That of the model's own forward; frozen weights have none."""
    policy, examples = with_adapter("qwen2"), examples_for("qwen2")
    expected = torch.cat([own_forward(policy, one) for one in examples]).sum()
    wanted = torch.autograd.grad(expected, trained(policy))
    chosen = choose_layout(policy, layout, prompts_repeat=True)
    logp_BT = response_logps(policy, chosen.collate(policy, examples))
    logp_BT.sum().backward()
    close(tuple(p.grad for p in trained(policy)), wanted, 1e-4)
    assert all(p.grad is None for p in policy.model.parameters() if not p.requires_grad)


def trained(policy: Policy) -> tuple[torch.nn.Parameter, ...]:
    return tuple(p for p in policy.model.parameters() if p.requires_grad)


def test_a_stage_that_freezes_does_not_thaw_the_base() -> None:
    """And one that trains the tower alone trains the tower's adapter alone."""
    policy = with_adapter("qwen3_vl")
    LanguageModule(policy, learning_rate=1e-3)
    names = {name for name, p in policy.model.named_parameters() if p.requires_grad}
    assert names and all(".lora_" in name for name in names)
    LanguageModule(policy, learning_rate=1e-3, train="vision")
    left = {name for name, p in policy.model.named_parameters() if p.requires_grad}
    assert left and left == {name for name in names if ".visual." in name}
    policy = with_adapter("qwen3_vl", modules=["language_model.layers.0.self_attn.q_proj"])
    with pytest.raises(ValueError, match=r"module\.train: model\.lora\.modules .* no layer of the"):
        LanguageModule(policy, learning_rate=1e-3, train="vision")


def test_a_value_head_is_trained_beside_the_adapter(tmp_path: Path) -> None:
    """A reward model: its folder scores alike; the adapter alone would lack the head."""
    policy = add_value_head(with_adapter("qwen2"))
    assert [name for name, p in policy.model.named_parameters() if p.requires_grad][-1] == (
        "score.weight"
    )
    torch.nn.init.normal_(policy.model.score.weight)
    policy.save(tmp_path)
    texts = [one.prompt_tokens for one in examples_for("qwen2")]
    close(scores(load_value_policy(str(tmp_path)), texts), scores(policy, texts))
    assert not (tmp_path / "adapter").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rank": 0}, r"model\.lora\.rank=0: must be a whole number above 0, 32 for example; null"),
        ({"rank": -3}, r"model\.lora\.rank=-3: must be"),
        ({"rank": 2.5}, r"model\.lora\.rank=2\.5: must be"),
        ({"rank": "many"}, r"model\.lora\.rank='many': must be"),
        ({"rank": True}, r"model\.lora\.rank=True: must be"),
        ({"rank": 4, "alpha": 0}, r"model\.lora\.alpha=0: must be above 0"),
        ({"rank": 4, "dropout": 1.0}, r"model\.lora\.dropout=1\.0: must be at least 0 and below"),
        ({"rank": 4, "modules": []}, r"model\.lora\.modules=\[\]: give names .* or all-linear"),
        ({"rank": 4, "modules": "q_proj"}, r"model\.lora\.modules='q_proj': give names"),
    ],
)
def test_numbers_that_cannot_be_are_refused(settings: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Lora(**settings)


@pytest.mark.parametrize("lacking", ["c_attn", "proj", "lm_head", "embed_tokens", "q_prok"])
def test_modules_that_the_model_lacks_are_named_before_weights_are_read(
    lacking: str, tmp_path: Path
) -> None:
    """Whole parts of names count; the output embedding may be tied, and is none of them."""
    build("llama").save(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(
        ValueError,
        match=rf"model\.lora\.modules=.* no linear layer {lacking}; it "
        r"has down_proj, .*v_proj; name some of these, or all-linear$",
    ):
        load_policy(str(tmp_path), lora=Lora(rank=4, modules=["q_proj", lacking]))


def test_without_a_rank_there_is_no_adapter(tmp_path: Path) -> None:
    build("llama").save(tmp_path)
    assert not (tmp_path / "adapter").exists()
    policy = load_policy(str(tmp_path), lora=Lora(modules=["nowhere"]))
    assert not adapted(policy.model) and all(p.requires_grad for p in policy.model.parameters())


def test_an_adapter_is_no_model(tmp_path: Path) -> None:
    with_adapter("llama").save(tmp_path)
    load_policy(str(tmp_path))
    with pytest.raises(
        ValueError, match=r"model\.path=.*adapter' holds a LoRA adapter .*<run>/mod"
    ):
        load_policy(str(tmp_path / "adapter"))


def test_a_missing_library_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(
        ValueError, match=r"model\.lora\.rank=4: needs peft; pip install 'k15\[lora"
    ):
        Lora(rank=4).check("llama", build("llama").model)
