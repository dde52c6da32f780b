"""A policy without its weights: for engines in other processes, and such as bring their own."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k15.engines.requests import forbidden_tokens
from k15.models.sharded import class_of

if TYPE_CHECKING:
    from k15.models.policy import Policy


def write_policy(policy: Policy, folder: Path) -> None:
    """What `Policy.save` writes, without the weights; what ends a response may be the policy's
    own.
    """
    config = copy.deepcopy(policy.model.config)
    config.architectures = [class_of(policy.model).__name__]
    config.dtype = policy.model.dtype
    config.save_pretrained(folder)
    policy.processor.save_pretrained(folder)
    policy.model.generation_config.save_pretrained(folder)


def read_policy(folder: str, weightless: bool) -> Policy:
    """The inverse; its weights mean nothing, or (`weightless`) are not even in memory."""
    import torch
    import transformers

    from k15.models.loading import load_processor
    from k15.models.policy import Policy

    config = transformers.AutoConfig.from_pretrained(folder)
    kind: Any = getattr(transformers, config.architectures[0])
    with torch.device("meta") if weightless else nullcontext():
        model = kind._from_config(config)
    model.generation_config = transformers.GenerationConfig.from_pretrained(folder)
    return Policy(model, load_processor(folder, hasattr(config, "vision_config")))


def description(policy: Policy) -> dict[str, Any]:
    """What must be the same in two processes that speak in token ids, as JSON."""
    return {
        "class": class_of(policy.model).__name__,
        "rows": policy.model.config.get_text_config().vocab_size,
        "stop_ids": list(policy.stop_ids),
        "forbidden": forbidden_tokens(policy),
    }
