"""A configured model on torch's meta device: all shapes, and no memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText
from transformers import PretrainedConfig as ModelConfig

from k15.config import Parts
from k15.config.errors import ConfigError, one_line
from k15.learning_rates import rates_by_part
from k15.models.compiled import prepare_layers
from k15.models.loading import refused
from k15.models.norms import write_out_norms
from k15.models.parts import check_parts, freeze_all_but
from k15.models.policy import Policy

DIVIDED = ("num_attention_heads", "num_key_value_heads", "intermediate_size")
"""What tensor parallel devices share of each layer."""


def model_config(
    config: DictConfig, parts: Parts, shape: Mapping[str, Any] | None = None
) -> ModelConfig:
    """The transformers configuration of the model that `config.model` names, or of a shape in its
    place. No weight is read.

    Raises ConfigError for a folder or name without one.
    """
    if shape is not None:
        return of_shape(shape)
    path = config.model.get("path")
    if path is None:
        with torch.device("meta"):
            return parts["policy"].model.config
    with refused(path, "config.json"):
        trusted = bool(config.model.get("trust_remote_code"))
        return AutoConfig.from_pretrained(path, trust_remote_code=trusted)


def of_shape(shape: Mapping[str, Any]) -> ModelConfig:
    """Of the fields of a config.json; raises ConfigError for what transformers does not take."""
    fields = {str(key): value for key, value in shape.items()}
    try:
        return AutoConfig.for_model(fields.pop("model_type"), **fields)
    except (KeyError, ValueError, TypeError) as error:
        raise ConfigError(
            f"shape={dict(shape)}: transformers does not take it ({one_line(error)}); give "
            "model_type and fields as in a config.json"
        ) from error


def weightless(config: DictConfig, of: ModelConfig) -> Any:
    """The model with the adapter, number type and frozen parts that the configuration says."""
    vision = hasattr(of, "vision_config")
    loader = AutoModelForImageTextToText if vision else AutoModelForCausalLM
    node, how = config.model, {"dtype": dtype_of(config.model.get("dtype", "float32"), of)}
    if node.get("attention") in ("sdpa", "eager"):
        how["attn_implementation"] = node.attention
    with torch.device("meta"):
        model = loader.from_config(copy.deepcopy(of), **how)
        lora = node.get("lora") and Parts(config).build(node.lora)
        if lora and lora.rank is not None:
            lora.check(node.path, model)
            lora.put_into(model)
    checkpointed = bool(node.get("gradient_checkpointing"))
    prepare_layers(model, checkpointed=checkpointed, compiled=False)
    freeze(model, config.module)
    return model.eval()


def freeze(model: nn.Module, module: Any) -> None:
    """What the stage does not train."""
    from k15.modules.base import kinds

    aligns = str(module._target_).endswith(".AlignModule")
    train = "vision" if aligns else module.get("train") or "all"
    rates = rates_by_part(module.learning_rate, kinds(model), train)
    freeze_all_but(model, check_parts(model, rates))


def dtype_of(name: str, of: ModelConfig) -> torch.dtype:
    """The number type that `model.dtype` means."""
    named = (of.dtype or torch.float32) if name == "auto" else name
    return named if isinstance(named, torch.dtype) else getattr(torch, named)


def shorter(of: ModelConfig, layers: int) -> ModelConfig:
    """The same with the first layers of its decoder alone."""
    cut = copy.deepcopy(of)
    text = cut.get_text_config()
    whole = text.num_hidden_layers
    for name, value in list(vars(text).items()):
        if isinstance(value, list) and len(value) == whole:
            setattr(text, name, value[:layers])
    text.num_hidden_layers = layers
    return cut


def divided(of: ModelConfig, devices: int) -> ModelConfig:
    """What one of several tensor parallel devices has of each layer; embeddings are whole.

    Raises ConfigError if heads or inner width do not divide.
    """
    if devices == 1:
        return of
    cut = copy.deepcopy(of)
    text = cut.get_text_config()
    size = head_size(text)
    for name in DIVIDED:
        value = getattr(text, name, None)
        if value is None or (value % devices and name != "num_key_value_heads"):
            raise ConfigError(
                f"tensor_parallel={devices}: {text.model_type} has {name}={value}, which does not "
                "divide by it"
            )
        setattr(text, name, max(1, value // devices))
    text.head_dim = size
    return cut


def head_size(text: ModelConfig) -> int:
    """Of keys and values of a head."""
    found = getattr(text, "head_dim", None)
    return found or text.hidden_size // text.num_attention_heads


class TextOnly(Policy):
    """A policy for what needs no tokenizer: tokens go in, pictures do not."""

    def __init__(self, model: Any, *, fast_norms: bool) -> None:
        self.model, self.fast_norms, self.streamed = model, fast_norms, False
        self.tokenizer = SimpleNamespace(pad_token_id=0)
        self.placeholders = SimpleNamespace(id=None)  # type: ignore[assignment]
        if fast_norms:
            write_out_norms(model)


def fields_of(node: Any) -> dict[str, Any] | None:
    """A plain mapping of a node, None where there is none."""
    return None if node is None else OmegaConf.to_container(node, resolve=True)  # type: ignore[return-value]
