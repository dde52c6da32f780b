"""Checkpoints of a run with LoRA hold the adapter alone: the frozen weights lie in `model.path`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from k15.models.lora import adapted

WIDTHS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Integers by bytes."""


def leave_out(checkpoint: dict[str, Any], module: nn.Module) -> None:
    """Take the frozen weights of an adapted model out of a checkpoint; their sums stay."""
    if not adapted(module):
        return
    frozen = frozen_weights(module)
    checkpoint["frozen"] = {name: sum_of(weight) for name, weight in frozen.items()}
    for name in frozen:
        checkpoint["state_dict"].pop(name, None)


def put_back(checkpoint: dict[str, Any], module: nn.Module) -> None:
    """Complete a checkpoint with the frozen weights of the model that it is loaded into.

    Raises ValueError naming the first that was another one when the checkpoint was written; a
    number type that is another one is not compared.
    """
    frozen = frozen_weights(module) if "frozen" in checkpoint else {}
    for name, weight in frozen.items():
        saved, here = checkpoint["frozen"].get(name), sum_of(weight)
        if saved != here and (saved is None or saved[0] == here[0]):
            raise ValueError(
                f"resume: {name}, which is frozen, is not the weight that the checkpoint's adapter "
                "was trained with; put back the files of model.path as they were, or start a new "
                "run"
            )
        checkpoint["state_dict"][name] = weight.detach()


def frozen_weights(module: nn.Module) -> dict[str, Tensor]:
    """What is neither trained nor part of the adapter, tied weights under each of their names."""
    named = module.named_parameters(remove_duplicate=False)
    return {
        name: parameter
        for name, parameter in named
        if not parameter.requires_grad and ".lora_" not in name
    }


def sum_of(weight: Tensor) -> tuple[str, int]:
    """The number type, and the sum of all bit patterns as integers, whatever the order."""
    whole = (weight.full_tensor() if isinstance(weight, DTensor) else weight).detach().contiguous()
    return str(weight.dtype), int(whole.view(WIDTHS[whole.itemsize]).sum(dtype=torch.int64))
