"""What of a vision-language model sees, what speaks, and what lies between, by names of weights.

    picture ─► vision (tower) ─► projector ─► language (decoder and output embedding) ◄─ text

In the classes that docs/models.md lists, the language part is transformers' `get_decoder()` with
`get_output_embeddings()`. A text model has no other part.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

from torch import nn

from k15.config.errors import ConfigError
from k15.learning_rates import PARTS, Part

TOWERS = {"visual", "vision_tower", "vision_model"}
PROJECTORS = {
    "merger", "deepstack_merger_list", "multi_modal_projector", "mm_projector", "connector",
    "image_newline",
}  # fmt: skip
"""Qwen's lie within the tower; LLaVA's ends rows of patches with a weight of its own."""


def part_of(name: str) -> Part:
    """Which part a weight belongs to, by its full name."""
    modules = set(name.split("."))
    if modules & PROJECTORS:
        return "projector"
    return "vision" if modules & TOWERS else "language"


def parts_of(model: nn.Module) -> dict[Part, list[nn.Parameter]]:
    """The weights of each part that a model has, in the model's order."""
    found: dict[Part, list[nn.Parameter]] = {part: [] for part in PARTS}
    for name, parameter in model.named_parameters():
        found[part_of(name)].append(parameter)
    return {part: parameters for part, parameters in found.items() if parameters}


def check_parts(model: nn.Module, rates: Mapping[Part, float]) -> dict[Part, float]:
    """The rates of the parts that a model has; raises ConfigError if it has none of them."""
    there = {part: rates[part] for part in parts_of(model) if part in rates}
    if not there:
        raise ConfigError(
            f"module.train={next(iter(rates))}: {type(model).__name__} has no vision tower; use "
            "task.modality=image"
        )
    return there


def freeze_all_but(model: nn.Module, trained: Container[Part]) -> None:
    """Take the gradient away from the other parts: they get none at all, not zeros.

    What is frozen already, such as the weights beside an adapter, stays so. Raises ConfigError if
    nothing is left to train.
    """
    for name, parameter in model.named_parameters():
        if part_of(name) not in trained:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError(
            "module.train: model.lora.modules names no layer of the parts that are to be trained, "
            "so nothing is; add some, or say all-linear"
        )
