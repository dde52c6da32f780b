"""New weights into a vLLM engine of this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from k15.engines.vllm.fetch import fetch
from k15.weights.routes.protocol import Fetched

RENAMED = {
    # model_type: names that save_pretrained writes, and those of the folders that vLLM reads
    "llava": (("vision_tower.embeddings", "vision_tower.vision_model.embeddings"),
              ("vision_tower.encoder", "vision_tower.vision_model.encoder"),
              ("vision_tower.pre_layrnorm", "vision_tower.vision_model.pre_layrnorm"),
              ("vision_tower.post_layernorm", "vision_tower.vision_model.post_layernorm")),
}  # fmt: skip


def load(llm: Any, weights: Iterable[tuple[str, Tensor]], model_type: str) -> None:
    """Copy `full_weights` into the engine and forget everything that old weights computed.

    Raises ValueError if a weight of the engine is not among them; whatever it raises, the engine
    may be half loaded and must not be used any more.
    """
    model = llm.model_executor.driver_worker.worker.get_model()
    if isinstance(weights, Fetched):
        fetch(llm, weights.offer, lambda names: [read_as(name, model_type) for name in names])
    elif llm.vllm_config.device_config.device_type == "cpu":
        load_in_place(model, renamed(weights, model_type))
    else:  # kernels may keep weights in an order of their own
        named = renamed(weights, model_type)
        llm.collective_rpc("reload_weights", kwargs={"weights_iterator": named})
    if not llm.reset_prefix_cache():
        raise RuntimeError("weights came while requests were running: keys and values are old")
    llm.reset_mm_cache()
    llm.reset_encoder_cache()


@torch.no_grad()
def load_in_place(model: Any, weights: Iterable[tuple[str, Tensor]]) -> None:
    """Into parameters that are as they were made, at the speed of a copy."""
    loaded = model.load_weights(weights)
    missing = dict(model.named_parameters()).keys() - (loaded or ())
    if missing:
        raise ValueError(
            f"the weights lack {len(missing)} that vLLM's model has, such as {min(missing)}"
        )


def renamed(weights: Iterable[tuple[str, Tensor]], model_type: str) -> Iterator[tuple[str, Tensor]]:
    """Under the names that vLLM reads."""
    for name, tensor in weights:
        yield read_as(name, model_type), tensor


def read_as(name: str, model_type: str) -> str:
    """What vLLM calls a weight."""
    for ours, theirs in RENAMED.get(model_type, ()):
        if ours in name:
            return name.replace(ours, theirs)
    return name
