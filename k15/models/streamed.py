"""Models without weights, into which each rank reads its part alone: no process ever has the whole.

The weights are read tensor by tensor from the safetensors files of a folder that names them as the
model does in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import GenerationConfig

from k15.config.errors import ConfigError

INDEX, SINGLE = "model.safetensors.index.json", "model.safetensors"
OPTION = "model.streamed=true"


def without_weights(loader: Any, path: str, config: Any, dtype: str, attention: str | None) -> Any:
    """The model of a folder, its buffers in main memory and its weights nowhere.

    Raises ValueError if the folder's weights are not there, or under other names.
    """
    if not Path(path).is_dir():
        raise ConfigError(f"{OPTION}: model.path={path!r} is no folder; download it first")
    of = config.dtype if dtype == "auto" else getattr(torch, dtype)
    with parameters_on_meta():
        model = loader.from_config(config, dtype=of, attn_implementation=attention)
    model.tie_weights()
    check_names(model, path)
    if (Path(path) / "generation_config.json").is_file():
        model.generation_config = GenerationConfig.from_pretrained(path)
    return model


@contextmanager
def parameters_on_meta() -> Iterator[None]:
    """Modules that are made within it have parameters without numbers."""
    register = nn.Module.register_parameter

    def without_numbers(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        if parameter is not None and not parameter.is_meta:
            trained = parameter.requires_grad
            parameter = nn.Parameter(parameter.to("meta"), requires_grad=trained)
        register(module, name, parameter)

    nn.Module.register_parameter = without_numbers  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        nn.Module.register_parameter = register  # type: ignore[method-assign]


def files_of(path: str) -> Mapping[str, Path]:
    """The file of each tensor of a folder; raises ValueError if there is none."""
    folder = Path(path)
    if (folder / INDEX).is_file():
        names = json.loads((folder / INDEX).read_text())["weight_map"]
        return {name: folder / file for name, file in names.items()}
    if not (folder / SINGLE).is_file():
        raise ConfigError(f"{OPTION}: {folder} has no {SINGLE}, and no {INDEX}")
    with safe_open(folder / SINGLE, framework="pt") as file:
        return dict.fromkeys(file.keys(), folder / SINGLE)


def check_names(model: nn.Module, path: str) -> None:
    """Raise ValueError naming the first weight that the folder does not have, or the model."""
    there, named = files_of(path), dict(model.named_parameters())
    if lacking := sorted({*named} - {*there}):
        raise ConfigError(
            f"{OPTION}: {path} has no {lacking[0]}, as {type(model).__name__} calls it in memory; "
            "leave it false, or save the model once more with k15"
        )


@torch.no_grad()
def read_weights(
    model: nn.Module, path: str, device: torch.device, part: Callable[[Tensor, Tensor], Tensor]
) -> None:
    """Fill a model that has no weights; `part` of a whole tensor is what is kept where another one
    is in the model.
    """
    model._apply(lambda x: torch.empty_like(x, device=device) if x.is_meta else x.to(device))
    tie: Any = getattr(model, "tie_weights", lambda: None)
    tie()
    files = files_of(path)
    for name, parameter in model.named_parameters():
        with safe_open(files[name], framework="pt") as file:
            parameter.copy_(part(file.get_tensor(name), parameter))
