"""Switching the attention function of a model's decoder by name, for a while.

Where a model takes its attention by transformers' AttentionInterface
(https://huggingface.co/docs/transformers/attention_interface), its configuration names the
function; `k15.models.support` knows which models do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS


@contextmanager
def attending(model: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """The decoder attends by `function`, under scaled_dot_product_attention's masks; afterwards
    each configuration is as before.

    A decoder set to "eager" keeps its own attention, which may have terms in it that no other has.
    """
    ALL_ATTENTION_FUNCTIONS.register(name, function)
    ALL_MASK_ATTENTION_FUNCTIONS.register(name, sdpa_mask)
    decoder = model.get_decoder().modules()
    configs = {id(module.config): module.config for module in decoder if hasattr(module, "config")}
    before = [(config, config._attn_implementation) for config in configs.values()]
    try:
        for config, implementation in before:
            config._attn_implementation = "eager" if implementation == "eager" else name
        yield
    finally:
        for config, implementation in before:
            config._attn_implementation = implementation
