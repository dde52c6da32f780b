"""Longer contexts: another base of the rotary positions, and room for more of them (k1.5 App. B:
1,000,000 for 131,072 tokens).
"""

from __future__ import annotations

from typing import Any

from k15.config.errors import ConfigError


def set_rope_base(model: Any, base: float) -> None:
    """Give a model's decoder another base, in its configuration and wherever frequencies are kept.

    Raises ConfigError for one without a base, or whose frequencies are scaled in another way.
    """
    config = model.config.get_text_config()
    rope = getattr(config, "rope_parameters", None)
    if not isinstance(rope, dict) or "rope_theta" not in rope:
        raise ConfigError(
            f"model.rope_base={base}: {type(model).__name__} has no single base of rotary positions"
        )
    if rope.get("rope_type", "default") != "default":
        raise ConfigError(
            f"model.rope_base={base}: the positions of {type(model).__name__} are scaled by "
            f"{rope['rope_type']!r}; their base alone says nothing"
        )
    rope["rope_theta"] = float(base)
    for module in model.modules():
        computed = getattr(module, "compute_default_rope_parameters", None)
        of = getattr(module, "config", None)
        if computed is None or getattr(of, "rope_parameters", None) is not rope:
            continue
        frequencies, _ = computed(config, device=module.inv_freq.device)
        module.inv_freq.copy_(frequencies)
        if hasattr(module, "original_inv_freq"):
            module.original_inv_freq.copy_(frequencies)


def extend(model: Any, context: int | None, rope_base: float | None) -> None:
    """Both, where they are given."""
    if context is not None:
        set_context(model, context)
    if rope_base is not None:
        set_rope_base(model, rope_base)


def set_context(model: Any, tokens: int) -> None:
    """How long a sequence of prompt and response may be. Raises ConfigError for less than it was:
    what it has learned would be cut off.
    """
    config = model.config.get_text_config()
    before = config.max_position_embeddings
    if tokens < before:
        raise ConfigError(
            f"model.extended_context={tokens}: the model's has been {before}; give more"
        )
    config.max_position_embeddings = tokens
