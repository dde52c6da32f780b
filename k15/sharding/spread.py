"""A model whose weights, gradients and optimizer state are spread over ranks: FSDP2.

    before a layer: its weights are gathered ─► forward, backward ─► its gradients are added up, and
                    each rank keeps its part

The unit is a layer of the decoder. The rest - embeddings, the last norm, the vision tower, which
only those ranks compute with that have a picture - is gathered around the whole model, by all
ranks, so that all wait for each other as often.
https://docs.pytorch.org/docs/stable/distributed.fsdp.fully_shard.html
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn
from torch.distributed import all_reduce
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

from k15.models.gradient_checkpointing import layers_of
from k15.models.sharded import callable_within
from k15.shard import Shard
from k15.sharding.norms import local
from k15.sharding.tensor_parallel import cut_layers

OPTION = "trainer=fsdp2"


class Spread:
    """What the trainer of a spread model has to do between its passes."""

    def __init__(self, model: nn.Module, meshes: DeviceMesh, *, bfloat16: bool) -> None:
        """Spread the model, which has the same weights on all ranks, in place, over those that have
        other data (`data_parallel`), and its layers over those that have the same
        (`tensor_parallel`).

        With `bfloat16` the layers' weights are gathered, and computed with, in bfloat16; those that
        each rank keeps, and gradients, are what they are. Raises ValueError if transformers does
        not say what the model's layers are.
        """
        self.model = model
        mesh, self.within_layers = meshes["data_parallel"], meshes["tensor_parallel"]
        cut = self.within_layers.size() > 1
        self.partial = cut_layers(model, self.within_layers) if cut else []
        layers = decoder_layers(model)
        inner = torch.bfloat16 if bfloat16 else None
        policy = MixedPrecisionPolicy(
            param_dtype=inner, reduce_dtype=torch.float32, cast_forward_inputs=False
        )
        for layer in layers:
            fully_shard(layer, mesh=mesh, mp_policy=policy)
        outer = MixedPrecisionPolicy(cast_forward_inputs=False)
        # not left gathered behind a forward: the next one may come after other weights
        fully_shard(model, mesh=mesh, mp_policy=outer, reshard_after_forward=True)
        callable_within(model)
        for module in self.units():
            module.set_gradient_divide_factor(1.0)  # sums, as k15's losses want them
            module.set_force_sum_reduction_for_comms(True)
            module.set_reduce_scatter_unused_params(True)
        self.used = Used(rest(model, layers))

    def units(self) -> Iterable[FSDPModule]:
        """The layers and the whole."""
        return (module for module in self.model.modules() if isinstance(module, FSDPModule))

    def finish_gradients(self, shard: Shard) -> None:
        """Behind the last backward pass of an optimizer step; all ranks have to call."""
        for parameter in (p for module in self.partial for p in module.parameters()):
            if parameter.grad is not None:
                all_reduce(local(parameter.grad), group=self.within_layers.get_group())
        self.used.forget_others(shard)

    def send_gradients(self, now: bool) -> None:
        """Whether the next backward pass adds up the gradients of all ranks, those of the passes
        before it, too; if not, each rank keeps all of its own.
        """
        for module in self.units():
            module.set_requires_gradient_sync(now, recurse=False)


class Used:
    """Which modules have computed since the last step: the gradient of one that nobody used is
    none, not 0, for a step with 0 would let its weights decay.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        self.modules = modules
        self.flags = [False] * len(modules)
        for number, module in enumerate(modules):
            module.register_forward_hook(self._noting(number))

    def _noting(self, number: int) -> Any:
        def note(*_: Any) -> None:
            self.flags[number] = self.flags[number] or torch.is_grad_enabled()

        return note

    @torch.no_grad()
    def forget_others(self, shard: Shard) -> None:
        """Take away the gradients of what no rank has used; all have to call."""
        found = [used or has_gradient(m) for used, m in zip(self.flags, self.modules, strict=True)]
        self.flags = [False] * len(self.modules)
        device = next(self.modules[0].parameters()).device
        ranks = shard.summed(torch.tensor(found, device=device).float()).tolist()
        pairs = [*zip(self.modules, ranks, strict=True)]
        used = {p for module, n in pairs if n for p in module.parameters(recurse=False)}
        for module in self.modules:
            for parameter in module.parameters(recurse=False):
                if parameter not in used:
                    parameter.grad = None


def has_gradient(module: nn.Module) -> bool:
    """Whether this rank's part of the gradient of a module's own weights is not 0."""
    gradients = (parameter.grad for parameter in module.parameters(recurse=False))
    return any(bool(local(g).any()) for g in gradients if g is not None)


def decoder_layers(model: nn.Module) -> list[nn.Module]:
    """Those of the language model."""
    base: Any = getattr(model, "base_model", model)
    text = getattr(base, "language_model", base)
    inside = {*text.modules()}
    found = [layer for layer in layers_of(model, OPTION) if layer in inside]
    towers = [m for n, m in model.named_modules() if n.rpartition(".")[2] in TOWERS]
    within_towers = {module for tower in towers for module in tower.modules()}
    return [layer for layer in found if layer not in within_towers]


TOWERS = ("visual", "vision_tower", "vision_model")
"""transformers' names of what reads pictures."""


def rest(model: nn.Module, layers: Sequence[nn.Module]) -> list[nn.Module]:
    """Modules with weights of their own that are in no layer."""
    inside = {module for layer in layers for module in layer.modules()}
    return [
        module
        for module in model.modules()
        if module not in inside and any(p.requires_grad for p in module.parameters(recurse=False))
    ]
