"""Counts of weightless models are those of real ones."""

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from k15.config import Parts, load
from k15.models.lora import Lora
from k15.models.tiny import tiny_policy
from k15.plan.parameters import Counts, counts_of
from k15.plan.weightless import divided, model_config, of_shape, shorter, weightless
from k15.tasks.make24 import Make24


def planned(*words: str) -> Counts:
    config = load("train", ["stage=rl", *words])
    parts = Parts(config)
    if config.model.get("path") is None:
        parts["words"] = parts["source"].words
    return counts_of(weightless(config, model_config(config, parts)))


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory):
    """Two layers whose output embedding is not tied, with its folder."""
    config = LlamaConfig(
        vocab_size=300, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=64,
        tie_word_embeddings=False,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    folder = tmp_path_factory.mktemp("llama")
    config.save_pretrained(folder)  # no weights: none are read
    return model, str(folder)


def test_the_built_in_model_has_as_many_as_it_is_made_with() -> None:
    model = tiny_policy(words=Make24().words).model
    found = planned()
    assert found.trained == sum(p.numel() for p in model.parameters()) and not found.frozen
    assert found.parts["embedding"] == model.get_input_embeddings().weight.numel()
    # q, k, v, o of 64 x 64, and 3 x 64 x 192; norms: 2 x 64 and q, k of 32
    assert found.parts["layers"] == 2 * (4 * 64 * 64 + 3 * 64 * 192 + 2 * 64 + 2 * 32)
    assert found.largest_layer == found.parts["layers"] // 2


def test_with_eyes_the_tower_counts_by_itself() -> None:
    found = planned("task.modality=image")
    model = tiny_policy(words=Make24().words, modality="image").model
    tower = sum(p.numel() for n, p in model.named_parameters() if ".visual." in n)
    assert found.parts["vision"] + found.parts["projector"] == tower > 0
    assert found.total == sum(p.numel() for p in model.parameters())


def test_a_folder_is_read_for_its_configuration_alone(llama) -> None:
    model, folder = llama
    found = planned("model=hf", f"model.path={folder}")
    assert found.total == sum(p.numel() for p in model.parameters())
    assert found.parts["output embedding"] == found.parts["embedding"] == 300 * 32
    # per layer q 32x32, k and v 32x16, o 32x32, and 3 x 32x48
    assert found.linear == 2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 48)
    assert found.products == found.linear + 300 * 32


def test_an_adapter_is_what_is_trained(llama) -> None:
    model, folder = llama
    found = planned("model=hf", f"model.path={folder}", "model.lora.rank=4")
    frozen = sum(p.numel() for p in model.parameters())
    Lora(rank=4).put_into(model)
    adapter = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert (found.trained, found.adapter, found.frozen) == (adapter, adapter, frozen)


def test_the_vision_stage_trains_the_tower_alone() -> None:
    config = load("train", ["stage=vision", "task.modality=image"])
    parts = Parts(config)
    parts["words"] = parts["source"].words
    found = counts_of(weightless(config, model_config(config, parts)))
    assert found.trained == found.parts["vision"] + found.parts["projector"] < found.total


def test_a_shape_is_enough() -> None:
    of = of_shape({"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 3, **SMALL})
    with torch.device("meta"):
        whole = AutoModelForCausalLM.from_config(of)
        short = AutoModelForCausalLM.from_config(shorter(of, 1))
        half = AutoModelForCausalLM.from_config(divided(of, 2))
    counts = [counts_of(model) for model in (whole, short, half)]
    assert counts[0].parts["layers"] == 3 * counts[1].parts["layers"]
    assert counts[0].linear == 2 * counts[2].linear  # each device has half of every product


SMALL = {
    "vocab_size": 50,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
}


def test_what_is_no_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="transformers does not take it"):
        of_shape({"model_type": "no such"})
    with pytest.raises(ValueError, match=r"tensor_parallel=3.*num_attention_heads=4"):
        divided(of_shape({"model_type": "llama", **SMALL}), 3)
