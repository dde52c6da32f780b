"""Put a model into the state in which it decodes, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from k15.engines.attention import NAME


@contextmanager
def decoding(model: Any) -> Iterator[None]:
    """Evaluation mode, `decode_attention` and fused norms; afterwards each module and config is as
    before.

    Log-probabilities stay the model's own, up to rounding. A model set to "eager" keeps its own
    attention, which may have terms in it that no other has.
    """
    trained = [module for module in model.modules() if module.training]
    decoder = list(model.get_decoder().modules())
    configs = {id(module.config): module.config for module in decoder if hasattr(module, "config")}
    attention = [(config, config._attn_implementation) for config in configs.values()]
    norms = [module for module in decoder if is_plain_rms_norm(module)]
    try:
        model.eval()
        for config, implementation in attention:
            config._attn_implementation = NAME if implementation != "eager" else "eager"
        for norm in norms:
            norm.forward = partial(fused_rms_norm, norm)
        yield
    finally:
        for norm in norms:
            del norm.forward
        for config, implementation in attention:
            config._attn_implementation = implementation
        for module in trained:
            module.training = True


def is_plain_rms_norm(module: nn.Module) -> bool:
    """Whether a module is weight * x / rms(x) in float32.

    transformers' classes of that name and with that attribute are; those that compute something
    else call it `eps`.
    """
    return (
        type(module).__name__.endswith("RMSNorm")
        and hasattr(module, "variance_epsilon")
        and module.weight.dtype == torch.float32
        and "forward" not in vars(module)
    )


def fused_rms_norm(norm: Any, hidden: Tensor) -> Tensor:
    """One call in place of the six of transformers' norms."""
    return nn.functional.rms_norm(hidden, norm.weight.shape, norm.weight, norm.variance_epsilon)
