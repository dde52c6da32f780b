"""Which engine samples where nobody has said: by device, size, shared prompts, what is installed.

`configs/engine/auto.yaml` names this. It is asked while the configuration is composed, so that
`--cfg` and the run's folder show the choice; nothing that takes seconds is imported.
"""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from k15.config.targets import taken
from k15.engines.vllm.installed import VERSION, missing, names_architecture

SMALLEST = {"cpu": 100e6, "gpu": 100e6}
"""Parameters from which on vLLM is taken, by device.

On a CPU it has 1.3 to 1.4 of the tokens per CPU-second at 135M parameters in float32, 1.06 to 1.4
in bfloat16, as many at 33M and fewer below (docs/engines.md); it wants a second copy of the
weights, and half a minute to start. With a GPU it is taken for all but small models, which spend
their time beside the arithmetic in both; where the two meet there has not been measured.
"""
SHARED = 4
"""Samples of one problem from which on a CPU keeps k15's own engine, which reads their prompt once.

There vLLM shares whole blocks of 32 tokens alone, so that each sample reads the prompt's end again:
135M parameters, float32: 0.95 of the tokens per CPU-second with so many, 0.86 with 8.
"""
SAMPLES = ("sizes", "datamodule.drawing", "datamodule.synthetic.drawing", "traces.drawing")
"""Where a stage says how many it draws, as `samples_per_problem`."""
ENGINES = {
    "transformers": "k15.engines.transformers.TransformersEngine",
    "vllm": "k15.engines.vllm.engine.VLLMEngine",
}
LOADED = "k15.models.loading.load_policy"
"""What makes models of other people; k15's own are small."""


def engine_for(config: DictConfig) -> tuple[str, str]:
    """The choice of configs/engine, and why; `config` is all that is configured, but for it."""
    if only := alone_takes(config):
        return only
    device, said = device_of(config)
    folder, size = model_of(config)
    if size is None and device == "cpu":
        return "transformers", f"{said}, and the model's size is not known here"
    if size is not None and size < SMALLEST[device]:
        small = f"a model of {size / 1e6:.3g}M parameters" if size else "the built-in small model"
        return "transformers", f"{said}, but {small}"
    samples = samples_of(config)
    if device == "cpu" and samples >= SHARED:
        return "transformers", f"{said}, where the {samples} samples of a problem share its prompt"
    if reason := missing(gpu=device == "gpu"):
        return "transformers", f"{said}, but {reason}"
    architecture = architecture_of(folder)
    if architecture and not names_architecture(architecture):
        return "transformers", f"{said}, but vLLM {VERSION} does not name {architecture}"
    large = f"of {size / 1e6:,.0f}M parameters" if size else "whose size is not known here"
    return "vllm", f"{said}, a model {large}, vLLM {VERSION} installed"


def alone_takes(config: DictConfig) -> tuple[str, str] | None:
    """The engine that has all the fields which are set, if the other one has not."""
    said = {str(key) for key in config.get("engine") or {}} - {"_target_"}
    takes = {name: taken(target, imports=False) or {} for name, target in ENGINES.items()}
    able = [name for name in ENGINES if said <= takes[name].keys()]
    if len(able) != 1:
        return None
    other = next(name for name in ENGINES if name not in able)
    own = sorted(said - takes[other].keys())
    return able[0], f"engine.{own[0]} is set, which engine={other} does not have"


def device_of(config: DictConfig) -> tuple[str, str]:
    """`cpu` or `gpu`, and that in words, with where it is said."""
    for address in ("trainer.accelerator", "fabric.accelerator"):
        said = OmegaConf.select(config, address)
        if said is not None:
            kind = kind_of(str(said))
            return kind, f"on a {kind.upper()} ({address}={said})"
    return "cpu", "on a CPU"


def kind_of(accelerator: str) -> str:
    """Of Lightning's word for it; only `auto` has to look for a GPU, and imports torch."""
    if accelerator == "auto":
        import torch

        return "gpu" if torch.cuda.is_available() else "cpu"
    return "gpu" if accelerator in ("gpu", "cuda") else "cpu"


def model_of(config: DictConfig) -> tuple[Path | None, float | None]:
    """Its folder, None if there is none (yet), and its parameters, None if they cannot be told."""
    path = OmegaConf.select(config, "model.path")
    folder = Path(path) if path is not None and Path(path).is_dir() else None
    size = parameters(folder) if folder else None
    if size is None and OmegaConf.select(config, "model._target_") != LOADED:
        return folder, 0.0
    return folder, size


def parameters(folder: Path) -> float | None:
    """By what its safetensors files say of themselves; None if none does."""
    shapes = []
    for file in folder.glob("*.safetensors"):
        try:
            with file.open("rb") as content:
                header = json.loads(content.read(int.from_bytes(content.read(8), "little")))
        except ValueError:  # whoever loads it says what is wrong with it
            return None
        shapes += [one["shape"] for name, one in header.items() if name != "__metadata__"]
    return float(sum(map(prod, shapes))) if shapes else None


def samples_of(config: DictConfig) -> int:
    """Of one problem, at the most; 1 where the stage does not say."""
    said = (OmegaConf.select(config, f"{place}.samples_per_problem") for place in SAMPLES)
    return max(filter(None, said), default=1)


def architecture_of(folder: Path | None) -> str | None:
    """By the configuration of a folder; None if there is none."""
    file = folder / "config.json" if folder else None
    if file is None or not file.is_file():
        return None
    return (json.loads(file.read_text(encoding="utf-8")).get("architectures") or [None])[0]
