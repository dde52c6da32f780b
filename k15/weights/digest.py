"""What tells the weights of one model from those of another."""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from k15.weights.full import full_weights


def weights_digest(model: Any) -> str:
    """64 hex digits of all tensors with their names and types, wherever they were loaded from."""
    found = hashlib.sha256()
    for name, tensor in full_weights(model):
        found.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        whole = tensor.detach().cpu().contiguous()
        found.update(whole.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
