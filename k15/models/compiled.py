"""Layers that torch.compile has made kernels for, in training.

Each layer is compiled by itself, for sizes of all kinds, so that one compilation serves all layers
and micro-batches ("regional compilation",
https://docs.pytorch.org/tutorials/recipes/regional_compilation.html). Whoever samples in this
process, in inference mode, takes the plain ones: a step of decoding has other shapes and a cache.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from k15.models.gradient_checkpointing import checkpoint_layers, layers_of


def prepare_layers(model: nn.Module, *, checkpointed: bool, compiled: bool) -> None:
    """What a model's layers are asked for: compiled ones may be computed again.

    Raises ValueError as `layers_of` does, of a model without weights, too.
    """
    if compiled:
        compile_layers(model)
    if checkpointed:
        checkpoint_layers(model)


def compile_layers(model: nn.Module) -> None:
    """Let the layers of a model's decoder and vision tower be compiled when they are first used.

    Raises ValueError as `layers_of` does.
    """
    for layer in layers_of(model, "model.compile"):
        fast = torch.compile(layer.forward, dynamic=True)
        layer.forward = partial(in_training, layer.forward, fast)


def in_training(
    plain: Callable[..., Any], fast: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """A layer's forward, compiled where no engine calls it."""
    return (plain if torch.is_inference_mode_enabled() else fast)(*args, **kwargs)
