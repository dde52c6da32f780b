"""The weights of a model as its Hugging Face folder would have them, whatever lies in memory.

In memory names may be others than in the folder (LLaVA's language model), several tensors of the
folder may be one (a mixture's experts), a tensor may be spread over ranks, a tied one is there
once, and an adapter stands beside the weight that it changes. `full_weights` undoes all of it;
`load_full_weights` is the way back, into a model without adapters.
"""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from transformers.core_model_loading import revert_weight_conversion

from k15.models.lora import adapted, merged_tensors
from k15.models.norms import write_out_norms
from k15.models.policy import Policy
from k15.models.sharded import class_of, is_sharded

BLOCK = re.compile(r".*?\.\d+\.")


def full_weights(model: Any) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a transformers model under the name that `save_pretrained` gives it.

    Tied tensors come under each of their names: who holds a copy may have untied them. Buffers that
    belong to the folder are there, too. Of a model that is spread over ranks all of them have to
    take the same tensors, for each is gathered in its turn: one block is whole at a time. The
    tensors are those in memory where nothing had to be gathered, split or merged: take them before
    the next optimizer step.
    """
    layers = adapted(model)
    for block in blocks(model.state_dict()):
        whole = {name: gathered(tensor) for name, tensor in block.items()}
        yield from revert_weight_conversion(model, merged_tensors(whole, layers)).items()


def blocks(state: dict[str, Tensor]) -> Iterable[dict[str, Tensor]]:
    """The tensors of one layer together, for conversions stay within layers."""
    found: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in state.items():
        block = BLOCK.match(name)
        found[block.group() if block else ""][name] = tensor
    return found.values()


def gathered(tensor: Tensor) -> Tensor:
    """The whole of a tensor that ranks share."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


@torch.no_grad()
def load_full_weights(model: Any, weights: Iterable[tuple[str, Tensor]]) -> None:
    """Copy `full_weights` of another model of the same kind into this one, in place.

    Raises ValueError naming what is missing, unknown or of another shape.
    """
    model.load_state_dict(_fresh(model, weights).state_dict())


def _fresh(model: Any, weights: Iterable[tuple[str, Tensor]]) -> Any:
    """A model of the same kind with `weights`."""
    fresh, found = class_of(model).from_pretrained(
        None,
        config=copy.deepcopy(model.config),
        state_dict={name: tensor.detach().clone() for name, tensor in weights},
        dtype=model.dtype,
        attn_implementation=model.config._attn_implementation,
        ignore_mismatched_sizes=True,
        output_loading_info=True,
    )
    faults = {kind: found[f"{kind}_keys"] for kind in ("missing", "unexpected", "mismatched")}
    if any(faults.values()):
        raise ValueError(
            "these are not the weights of this model: "
            + "; ".join(f"{kind}: {sorted(names)}" for kind, names in faults.items() if names)
        )
    return fresh


def own_copy(policy: Policy) -> Policy:
    """`Policy.copy`; of a model that is spread over ranks a whole one for each, which all have to
    call.
    """
    if not is_sharded(policy.model):
        return policy.copy()
    other, weights = copy.copy(policy), full_weights(policy.model)
    other.model = _fresh(policy.model, weights).to(policy.device).eval().requires_grad_(False)
    if policy.fast_norms:
        write_out_norms(other.model)
    return other


def saver(policy: Policy, keep: bool) -> Callable[[Path], None]:
    """What writes the policy's folder, on a rank that is to `keep` the weights: of a model that is
    spread over ranks they are gathered now, for which all have to call.
    """
    if not is_sharded(policy.model):
        return policy.save
    whole: dict[int, Tensor] = {}  # tied ones are one
    named = policy.model.state_dict(keep_vars=True)
    for tensor in named.values():
        if id(tensor) not in whole:
            found = gathered(tensor).detach()
            whole[id(tensor)] = found.cpu() if keep else found.new_empty(0)
    weights = {name: whole[id(tensor)] for name, tensor in named.items()}
    return partial(policy.save, weights=weights)
