"""What a forward and a backward pass keep in memory, found by running them on tensors that have
none.

torch's fake tensors go through the very code of training (layouts, chunks of logits, gradient
checkpointing, adapters, autocast), and every storage is counted from its making to its end. What
grows with the number of layers is traced with two and with four of them, and continued.
"""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from k15.models.layouts.base import Layout
from k15.models.logps import response_logps
from k15.plan.weightless import TextOnly
from k15.types import Example

FEW, MORE = 2, 4
"""Layers that are traced."""


@dataclasses.dataclass(frozen=True, slots=True)
class Traced:
    """Bytes above weights and gradients."""

    kept: float
    """Between forward and backward pass: activations."""
    peak: float
    """The most at a time, these included."""


class Live(TorchDispatchMode):
    """Bytes of the storages that are alive, and the most of them so far."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: weakref.WeakKeyDictionary[Any, None] = weakref.WeakKeyDictionary()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, Tensor):
                self.add(leaf)
        return out

    def add(self, tensor: Tensor) -> None:
        """Count a tensor's storage, once, until nobody holds it."""
        storage = tensor.untyped_storage()
        if storage in self.known:
            return
        self.known[storage] = None
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._end, storage.nbytes())

    def _end(self, size: int) -> None:
        self.now -= size


def traced(
    make: Callable[[int], Any],
    layers: int,
    examples: Sequence[Example],
    layout: Layout,
    *,
    autocast: torch.dtype | None,
    fast_norms: bool,
    tokens_per_chunk: int,
) -> Traced:
    """One micro-batch through a model of so many layers, of which `make` makes a weightless one.

    `autocast` is the number type of the arithmetic, None that of the weights.
    """

    def of(number: int) -> Traced:
        model = make(number)
        policy = on_fake_memory(model, fast_norms=fast_norms)
        return micro_batch(policy, examples, layout, autocast, tokens_per_chunk)

    if layers <= MORE:
        return of(layers)
    few, more = of(FEW), of(MORE)
    times = (layers - FEW) / (MORE - FEW)
    kept, peak = (
        getattr(few, name) + times * (getattr(more, name) - getattr(few, name))
        for name in ("kept", "peak")
    )
    return Traced(kept, peak)


def micro_batch(
    policy: TextOnly,
    examples: Sequence[Example],
    layout: Layout,
    autocast: torch.dtype | None,
    tokens_per_chunk: int,
) -> Traced:
    """The passes of one micro-batch, with gradients of earlier ones there."""
    mode = mode_of(policy)
    batch = faked(layout.collate(policy, examples), mode)
    trained = [weight for weight in policy.model.parameters() if weight.requires_grad]
    arithmetic = (
        nullcontext()
        if autocast is None
        else torch.autocast("cpu", autocast, cache_enabled=False)  # as Lightning's
    )
    with mode, Live() as live, arithmetic:
        for weight in trained:
            weight.grad = torch.zeros_like(weight)
        for weight in policy.model.parameters():
            live.add(weight)
        before = live.peak = live.now
        logp = response_logps(policy, batch, tokens_per_chunk=tokens_per_chunk)
        kept = live.now - before
        logp.sum().backward()
        return Traced(kept, live.peak - before)


def on_fake_memory(model: Any, *, fast_norms: bool) -> TextOnly:
    """A weightless model as a policy whose tensors torch takes for such on a CPU."""
    if fast_norms:
        give_norms_weights(model)
    policy = TextOnly(model, fast_norms=fast_norms)
    mode, found = FakeTensorMode(allow_non_fake_inputs=True), dict[int, Tensor]()
    for module in model.modules():
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None:
                    tensors[name] = found.setdefault(id(tensor), fake_like(tensor, mode))
    return policy


def fake_like(tensor: Tensor, mode: FakeTensorMode) -> Tensor:
    """Of the same shape and kind."""
    with mode:
        empty = torch.empty(tensor.shape, dtype=tensor.dtype, device="cpu")
    parameter = isinstance(tensor, nn.Parameter)
    return nn.Parameter(empty, requires_grad=tensor.requires_grad) if parameter else empty


def give_norms_weights(model: Any) -> None:
    """Real ones, for `write_out_norms` tries out what a norm computes."""
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None and weight.dim() == 1:
                ones = torch.ones(weight.shape, dtype=weight.dtype)
                module._parameters[name] = nn.Parameter(ones, weight.requires_grad)


def mode_of(policy: TextOnly) -> FakeTensorMode:
    """That its tensors belong to."""
    return next(policy.model.parameters()).fake_mode


def faked(value: Any, mode: FakeTensorMode) -> Any:
    """A batch with fake tensors in place of its tensors."""
    if isinstance(value, Tensor):
        return mode.from_tensor(value)
    if isinstance(value, dict):
        return {key: faked(item, mode) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: faked(getattr(value, f.name), mode) for f in dataclasses.fields(value)}
        return dataclasses.replace(value, **fields)
    return value
