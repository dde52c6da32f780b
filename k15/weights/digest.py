"""What tells the weights of one model from those of another."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from k15.weights.full import full_weights


def weights_digest(model: Any) -> str:
    """64 hex digits of all tensors with their names and types, wherever they were loaded from."""
    found = {}
    for name, tensor in full_weights(model):
        whole = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        what = f"{tensor.dtype} {list(tensor.shape)} ".encode()
        found[name] = hashlib.sha256(what + hashlib.sha256(whole.numpy().data).digest()).hexdigest()
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()
