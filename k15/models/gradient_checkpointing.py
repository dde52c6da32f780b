"""Gradient checkpointing: layers keep their inputs alone and are computed again in the backward
pass (Chen et al. 2016, arXiv 1604.06174).

transformers' `gradient_checkpointing_enable` does this in modules that are in training mode. Those
of RL are not, since it has no dropout; so here a layer is computed again wherever a gradient is
wanted, and sampling and evaluation are as without it.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from k15.config.errors import ConfigError
from k15.models.layouts.attention import recomputing


def checkpoint_layers(model: nn.Module) -> None:
    """Let all layers of a model's decoder and vision tower be computed again.

    Raises ValueError as `layers_of` does.
    """
    for layer in layers_of(model, "model.gradient_checkpointing"):
        layer.forward = partial(recomputed, layer.forward)


def layers_of(model: nn.Module, option: str) -> list[nn.Module]:
    """The modules that transformers marks as layers, whose activations it lets go.

    Raises ValueError, naming the option that asks for them, if there are none. The model may be
    without weights.
    """
    kind = GradientCheckpointingLayer
    found: list[nn.Module] = [module for module in model.modules() if isinstance(module, kind)]
    if not found:
        raise ConfigError(
            f"{option}=true: transformers does not say what the layers of {type(model).__name__} "
            "are; leave it false"
        )
    return found


def recomputed(forward: Any, *args: Any, **kwargs: Any) -> Any:
    """A layer's forward; the second one attends and drops out as the first one did."""
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, use_reentrant=False, context_fn=recomputing, **kwargs)
