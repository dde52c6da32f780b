"""How many weights a model has, by what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from k15.models import parts
from k15.models.lora import linear_layers
from k15.modules.optimizers import hidden_matrices


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Numbers of weights; tied ones count once."""

    trained: int
    frozen: int
    adapter: int
    """Of those that are trained: LoRA's."""
    parts: dict[str, int]
    """By what they are: embedding, output embedding, layers, vision, projector, adapter,
    other."""
    linear: int
    """In linear layers but the output embedding: what an autocast casts for sampling."""
    largest: int
    """In the largest tensor,"""
    largest_layer: int
    """and in the largest layer of the decoder."""
    hidden: int = 0
    """Trained ones in matrices between embeddings, of which Muon keeps one moment."""
    products: int
    """That a token is multiplied with: linear layers and the output embedding, tied or not."""

    @property
    def total(self) -> int:
        return self.trained + self.frozen


def counts_of(model: Any) -> Counts:
    """Of a transformers model, which may be without memory."""
    parameters = dict(model.named_parameters())
    trained = [p for p in parameters.values() if p.requires_grad]
    found: dict[str, int] = {}
    for name, parameter in parameters.items():
        part = part_of(name, parameter, model)
        found[part] = found.get(part, 0) + parameter.numel()
    linear = sum(model.get_submodule(name).weight.numel() for name in linear_layers(model))
    head = model.get_output_embeddings()
    return Counts(
        trained=sum(p.numel() for p in trained),
        frozen=sum(p.numel() for p in parameters.values() if not p.requires_grad),
        adapter=found.get("adapter", 0),
        parts=found,
        linear=linear,
        largest=max(p.numel() for p in parameters.values()),
        largest_layer=max((layer_size(layer) for layer in layers_of(model)), default=0),
        hidden=sum(p.numel() for p in hidden_matrices(model) if p.requires_grad),
        products=linear + (0 if head is None else head.weight.numel()),
    )


def part_of(name: str, parameter: nn.Parameter, model: Any) -> str:
    """What a weight is."""
    head = model.get_output_embeddings()
    if ".lora_" in name:
        return "adapter"
    if (part := parts.part_of(name)) != "language":
        return part
    if parameter is model.get_input_embeddings().weight:
        return "embedding"
    if head is not None and parameter is head.weight:
        return "output embedding"
    return "layers" if ".layers." in name or ".h." in name else "other"


def layers_of(model: Any) -> list[nn.Module]:
    """The decoder's."""
    decoder = model.get_decoder()
    found = next((m for m in decoder.children() if isinstance(m, nn.ModuleList)), None)
    return [] if found is None else list(found)


def layer_size(layer: nn.Module) -> int:
    """Weights of a layer."""
    return sum(parameter.numel() for parameter in layer.parameters())
