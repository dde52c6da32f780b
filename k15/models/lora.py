"""LoRA: a low-rank update beside frozen weights (Hu et al. 2021, arXiv 2106.09685), through peft.

    y = W x + (alpha / rank) · B (A x)        A [rank, in], B [out, rank]; B is 0 at the start

peft puts its layers into the model, whose class and attributes stay as they are. Everybody else
gets W + (alpha / rank) · B A under the names that the model has without them: `merged` swaps the
layers for a while, `merged_tensors` does it by name.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from k15.config.errors import ConfigError

ALL = "all-linear"
NAME = "default"  # peft's for a model's only adapter
CONFIG = "adapter_config.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """What is adapted, and how much; `rank` null is no adapter.

    `alpha` over the rank scales the update, so that a learning rate fits all ranks. `modules` are
    names of linear layers, or their last parts; "all-linear" is all but the output embedding, those
    of a vision tower included. Raises ValueError for numbers that cannot be.
    """

    rank: int | None = None
    alpha: float = 32
    dropout: float = 0.0
    modules: Literal["all-linear"] | Sequence[str] = ALL

    def __post_init__(self) -> None:
        rank, whole = self.rank, type(self.rank) is int
        if rank is not None and not (whole and rank > 0):
            raise ConfigError(
                f"model.lora.rank={rank!r}: must be a whole number above 0, 32 for example; null "
                "trains all weights"
            )
        if self.alpha <= 0:
            raise ConfigError(f"model.lora.alpha={self.alpha}: must be above 0, 32 for example")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"model.lora.dropout={self.dropout}: must be at least 0 and below 1")
        if self.modules != ALL and (isinstance(self.modules, str) or not self.modules):
            raise ConfigError(
                f"model.lora.modules={self.modules!r}: give names of linear layers, "
                f"[q_proj,v_proj] for example, or {ALL}"
            )

    def check(self, path: str, model: Any) -> None:
        """Raise ValueError if a model, which may be without weights, lacks one of the modules, or
        peft is not there.
        """
        names = linear_layers(model)
        lacking = [one for one in self.wanted() if not any(is_called(name, one) for name in names)]
        if lacking or not names:
            there = ", ".join(sorted({name.rpartition(".")[2] for name in names}))
            way_out = f"it has {there}; name some of these, or {ALL}" if there else "it has none"
            raise ConfigError(
                f"model.lora.modules={self.modules}: model.path={path!r} has no linear layer "
                f"{' or '.join(lacking)}; {way_out}"
            )
        peft_of(self)

    def put_into(self, model: Any) -> None:
        """Freeze the model's weights and put fresh adapters beside them, in float32."""
        peft = peft_of(self)
        names = linear_layers(model)
        if self.modules != ALL:
            names = [n for n in names if any(is_called(n, wanted) for wanted in self.wanted())]
        config = peft.LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=names,
            task_type="CAUSAL_LM",
            fan_in_fan_out=isinstance(model.get_submodule(names[0]), Conv1D),
            base_model_name_or_path=model.config.name_or_path,
        )
        # within something that is no transformers model, for in some of those peft takes names of
        # linear layers for names of experts
        peft.inject_adapter_in_model(config, nn.ModuleDict({"whole": model}))
        model.peft_config = {NAME: config}
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.float()

    def wanted(self) -> Sequence[str]:
        """The names that were given; none for all."""
        return [] if self.modules == ALL else self.modules


def is_called(name: str, wanted: str) -> bool:
    """Whether a layer's name is the wanted one, or its last parts are."""
    return f".{name}".endswith(f".{wanted}")


def peft_of(lora: Lora) -> Any:
    """The library; raises ValueError if it is not installed."""
    try:
        import peft
    except ImportError as error:
        raise ConfigError(
            f"model.lora.rank={lora.rank}: needs peft; pip install 'k15[lora]'"
        ) from error
    return peft


def refuse_adapter(path: str) -> None:
    """Raise ValueError for a folder that holds an adapter: transformers would load it upon weights
    that lie somewhere else.
    """
    if Path(path, CONFIG).is_file():
        raise ConfigError(
            f"model.path={path!r} holds a LoRA adapter ({CONFIG}); give the folder of the merged "
            "weights, which of a run is <run>/model"
        )


def linear_layers(model: Any) -> list[str]:
    """Names of all linear layers but the output embedding, which may be tied."""
    head = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and module is not head
    ]


def adapted(model: nn.Module) -> dict[str, Any]:
    """peft's layers by name: empty without LoRA."""
    return {name: module for name, module in model.named_modules() if hasattr(module, "lora_A")}


def updated(weight: Tensor, a: Tensor, b: Tensor, layer: Any) -> Tensor:
    """W + (alpha / rank) · B A, in float32 before it is rounded to the weight's type; Conv1D has W
    the other way round.
    """
    update = (b.float() @ a.float()) * layer.scaling[NAME]
    return (weight.float() + (update.T if layer.fan_in_fan_out else update)).to(weight.dtype)


@torch.no_grad()
def merged_tensors(state: Mapping[str, Tensor], layers: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors of an adapted model as the model has them without `layers`, the updates within its
    weights. `state` holds whole layers.
    """
    found = {}
    for name, tensor in state.items():
        layer, _, rest = name.partition(".base_layer.")
        if rest == "weight":
            a, b = (state[f"{layer}.lora_{side}.{NAME}.weight"] for side in "AB")
            found[f"{layer}.weight"] = updated(tensor, a, b, layers[layer])
        elif rest:
            found[f"{layer}.{rest}"] = tensor
        elif name.partition(".lora_")[0] not in layers:
            found[name] = tensor
    return found


@contextmanager
def merged(model: nn.Module) -> Iterator[None]:
    """The model without adapters, the updates within its weights; afterwards it is as before, bit
    for bit. Adapted weights are there twice.
    """
    layers = adapted(model)
    frozen = {name: layer.base_layer.weight for name, layer in layers.items()}
    try:
        for name, layer in layers.items():
            a, b = (side[NAME].weight for side in (layer.lora_A, layer.lora_B))
            with torch.no_grad():
                whole = updated(frozen[name], a, b, layer)
            layer.base_layer.weight = nn.Parameter(whole, requires_grad=False)
            model.set_submodule(name, layer.base_layer)
        yield
    finally:
        for name, layer in layers.items():
            layer.base_layer.weight = frozen[name]
            model.set_submodule(name, layer)


def save_adapter(model: Any, folder: Path, weights: Mapping[str, Tensor] | None = None) -> None:
    """Write the adapter alone, as `peft.PeftModel.from_pretrained` reads it; nothing where there is
    none, or where more than the adapter is trained. `weights`: the model's, where it has but parts.
    """
    layers, configs = adapted(model), getattr(model, "peft_config", None)
    if not layers or not configs:
        return
    config = copy.copy(configs[NAME])
    config.inference_mode = True
    config.save_pretrained(str(folder))
    tensors = {
        f"base_model.model.{name.replace(f'.{NAME}.', '.')}": tensor.contiguous()
        for name, tensor in (weights or model.state_dict()).items()
        if name.partition(".lora_")[0] in layers and ".lora_" in name
    }
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
