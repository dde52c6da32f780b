"""Layers that several ranks compute together, each with a part of its heads and channels.

    x, whole ─► q, k, v, gate, up: some columns each ─► attention, activation ─► o, down: some rows
                                                                                      │
                                                        x, whole ◄─ added up over ranks ◄─┘

Which layer is cut how is transformers' plan for the model (`_tp_plan`), what cuts it torch's.
https://docs.pytorch.org/docs/stable/distributed.tensor.parallel.html
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import Replicate
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    parallelize_module,
)

from k15.config.errors import ConfigError
from k15.models.lora import adapted

# what is cut twice, by FSDP2, too, is gathered in two steps; each would be warned of
logging.getLogger("torch.distributed.tensor._redistribute").setLevel(logging.ERROR)

STYLES: Mapping[str, Any] = {
    "colwise": ColwiseParallel,
    "rowwise": RowwiseParallel,
    "colwise_gather_output": partial(ColwiseParallel, output_layouts=Replicate()),
}
WHOLE = "replicated_with_grad_allreduce"
"""Weights that all ranks have, of what each has its part of, such as the norm of each head."""
LEFT = "embedding_rowwise"
"""What each rank keeps whole here, and computes alike: the embedding may be the head's."""
OPTION = "trainer.strategy.tensor_parallel_size"


def cut_layers(model: nn.Module, mesh: DeviceMesh) -> list[nn.Module]:
    """Cut the layers of a model over the ranks of a mesh, in place; returns the modules whose
    gradients are to be added up over them.

    Raises ValueError if transformers has no plan for the model, or one that cannot be had.
    """
    plan = checked_plan(model, mesh.size())
    whole = []
    for name, module in list(model.named_modules()):
        how = plan.get(re.sub(r"\.\d+\b", ".*", name))
        if how == WHOLE:
            whole.append(module)
        elif how is not None and how in STYLES and not is_tied(model, module):
            parallelize_module(module, mesh, STYLES[how]())
    return whole


def checked_plan(model: Any, ranks: int) -> Mapping[str, str]:
    """How each kind of layer is cut."""
    plan: Mapping[str, str] = getattr(model, "_tp_plan", None) or {}
    name = f"{OPTION}={ranks}"
    if not any(how in STYLES for how in plan.values()):
        raise ConfigError(f"{name}: transformers has no plan for {type(model).__name__}; take 1")
    if others := sorted({*plan.values()} - {*STYLES, WHOLE, LEFT}):
        raise ConfigError(
            f"{name}: the plan for {type(model).__name__} has {others[0]}, which k15 cannot; take 1"
        )
    if adapted(model):
        raise ConfigError(f"{name}: with model.lora.rank take 1, and FSDP2 alone")
    text = model.config.get_text_config()
    for heads in ("num_attention_heads", "num_key_value_heads"):
        if (number := getattr(text, heads, ranks)) % ranks:
            raise ConfigError(
                f"{name}: model.path has {heads}={number}, which cannot be divided by it"
            )
    return plan


def is_tied(model: Any, module: nn.Module) -> bool:
    """Whether a layer's weight is the embedding's, too, which each rank has."""
    weight = getattr(module, "weight", None)
    return weight is not None and weight is model.get_input_embeddings().weight
