"""Which engine a configuration gets that names none."""

import json
from pathlib import Path
from typing import Any

import pytest

from k15.config import load, said
from k15.engines import choice
from k15.models.tiny import tiny_policy
from k15.runs.settings import settings

HUB = ["trainer=gpu", "model=hf", "model.path=some/model", "start_from=null"]


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if vLLM for GPUs were installed."""
    monkeypatch.setattr(choice, "missing", lambda gpu: "")
    monkeypatch.setattr(choice, "names_architecture", lambda name: name == "Qwen3ForCausalLM")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    tiny_policy(hidden_size=32, layers=1).save(path)
    return path


def chosen(*words: str) -> Any:
    return load("train", ["stage=rl", *words])


def test_the_engines_are_those_of_the_configs() -> None:
    for name, target in choice.ENGINES.items():
        assert said("train", "engine", name)["_target_"] == target


def test_on_a_cpu_it_is_transformers_for_small_models_and_unknown_ones(there: None) -> None:
    """The model that evaluate.py takes where none is named is not looked for yet."""
    beginning = {
        "train": "on a CPU (trainer.accelerator=cpu), but the built-in small model",
        "evaluate": "on a CPU (fabric.accelerator=cpu), and the model's size is not known here",
    }
    for entry, because in beginning.items():
        config = load(entry, [])
        assert config.engine._target_ == choice.ENGINES["transformers"]
        assert config.decided.engine.because == because


@pytest.mark.parametrize(("parameters", "name"), [(33e6, "transformers"), (135e6, "vllm")])
def test_on_a_cpu_the_size_decides(there, folder, monkeypatch, parameters, name) -> None:
    """The sizes at which both were measured."""
    monkeypatch.setattr(choice, "parameters", lambda folder: parameters)
    alone = "sizes.samples_per_problem=2"
    made = chosen("model=hf", f"model.path={folder}", "start_from=null", alone).decided.engine
    assert made.choice == name
    assert made.because.startswith("on a CPU (trainer.accelerator=cpu), ")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["stage=rl", "sizes.samples_per_problem=3"], "vllm"),
        (["stage=rl", "sizes.samples_per_problem=4"], "transformers"),
        (["stage=rl", "trainer=gpu"], "vllm"),
        (["stage=long2short_rejection"], "transformers"),
        (["stage=long2short_rejection", "datamodule.drawing.samples_per_problem=2"], "vllm"),
        (["stage=cooldown"], "transformers"),
        (["stage=long_cot_sft", "traces=prompted"], "transformers"),
        (["stage=sft"], "vllm"),
    ],
)
def test_on_a_cpu_samples_that_share_a_prompt_decide(
    there, folder, monkeypatch, words, name
) -> None:
    """Each problem's, wherever a stage has them; a GPU's vLLM shares prompts as well."""
    monkeypatch.setattr(choice, "parameters", lambda folder: 135e6)
    of = ["model=hf", f"model.path={folder}", "start_from=null"]
    made = load("train", [*words, *of]).decided.engine
    assert made.choice == name
    if name == "transformers":
        assert made.because.endswith("samples of a problem share its prompt")


def test_on_a_gpu_it_is_vllm_for_models_that_are_not_small(there: None) -> None:
    config = chosen(*HUB, "engine.slots=128")
    assert config.engine._target_ == choice.ENGINES["vllm"]
    assert (config.engine.slots, config.engine.cache_gib) == (128, 1.0)
    assert config.decided.engine.because == (
        "on a GPU (trainer.accelerator=gpu), a model whose size is not known here, vLLM 0.32.0 "
        "installed"
    )
    assert chosen("trainer=gpu").decided.engine == {
        "choice": "transformers",
        "because": "on a GPU (trainer.accelerator=gpu), but the built-in small model",
    }


def test_a_folder_tells_its_size_and_its_kind(there, folder, monkeypatch) -> None:
    """Tied weights are one, there as in memory."""
    of = [*HUB[:2], f"model.path={folder}"]
    size = sum(
        tensor.numel() for tensor in tiny_policy(hidden_size=32, layers=1).model.parameters()
    )
    assert choice.parameters(folder) == size
    small = chosen(*of).decided.engine
    assert small.choice == "transformers"
    assert small.because.endswith(f"but a model of {size / 1e6:.3g}M parameters")
    monkeypatch.setitem(choice.SMALLEST, "gpu", 1000)
    assert chosen(*of).decided.engine.choice == "vllm"
    monkeypatch.setattr(choice, "names_architecture", lambda name: False)
    assert chosen(*of).decided.engine.because.endswith("vLLM 0.32.0 does not name Qwen3ForCausalLM")


def test_files_that_cannot_be_read_are_for_the_loader_to_name(there, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"\x05\0\0\0\0\0\0\0{no: ")
    assert chosen(*HUB[:2], f"model.path={tmp_path}").decided.engine.choice == "vllm"


def test_without_vllm_the_line_that_installs_it_is_said(monkeypatch) -> None:
    monkeypatch.setattr(choice, "missing", lambda gpu: f"it is missing: install {gpu=}")
    made = chosen(*HUB).decided.engine
    assert made.choice == "transformers"
    assert made.because == "on a GPU (trainer.accelerator=gpu), but it is missing: install gpu=True"


def test_a_field_that_one_engine_has_chooses_it(there: None) -> None:
    made = chosen(*HUB, "engine.copy=true").decided.engine
    assert made.choice == "transformers"
    assert made.because == "engine.copy is set, which engine=vllm does not have"
    assert chosen("engine.cache_gib=2").decided.engine.choice == "vllm"


def test_on_auto_a_gpu_is_looked_for(there: None, monkeypatch) -> None:
    import torch

    for available, name in ((True, "vllm"), (False, "transformers")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        made = chosen(*HUB, "trainer.accelerator=auto").decided.engine
        assert made.choice == name


def test_what_was_decided_is_no_setting_of_the_weights(there: None) -> None:
    """A run that begins on a CPU and one on a GPU, but for what they were told of the engine."""
    on_gpu, on_cpu = (chosen(*HUB, f"trainer.accelerator={kind}") for kind in ("gpu", "cpu"))
    assert on_gpu.engine._target_ != on_cpu.engine._target_
    assert settings(on_gpu) == settings(on_cpu)
    assert settings(on_gpu)["engine"] == "auto"
    told = {"engine": "auto", "engine.slots": 9}
    of = settings(chosen(*HUB, "engine.slots=9"))
    assert {key: value for key, value in of.items() if key.startswith("engine")} == told
    other = settings(chosen(*HUB, "engine=transformers"))
    assert other["engine._target_"] == choice.ENGINES["transformers"]
    assert json.dumps(other) != json.dumps(of)
