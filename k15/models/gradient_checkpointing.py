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

    Raises as `check_layers` does.
    """
    check_layers(model)
    for layer in layers_of(model):
        layer.forward = partial(recomputed, layer.forward)


def check_layers(model: nn.Module) -> None:
    """Raise ValueError if transformers does not say which modules of a model, which may be without
    weights, are its layers.
    """
    if not layers_of(model):
        raise ConfigError(
            f"model.gradient_checkpointing=true: {type(model).__name__} has no layers that are "
            "made for it; leave it false and lower tokens_per_microbatch or tokens_per_batch"
        )


def layers_of(model: nn.Module) -> list[nn.Module]:
    """The modules of which transformers lets the activations go."""
    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]


def recomputed(forward: Any, *args: Any, **kwargs: Any) -> Any:
    """A layer's forward; the second one attends and drops out as the first one did."""
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, use_reentrant=False, context_fn=recomputing, **kwargs)
