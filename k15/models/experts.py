"""Mixtures of experts: how many tokens go to each, layer by layer, and the bias that evens it out.

transformers gives a layer's experts the indices that its router chose; they are counted on the way.

Legend: E experts of a layer, N tokens, K experts per token.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

BIAS = "e_score_correction_bias"
"""DeepSeek-V3's, of the router's choice alone: it has no gradient (arXiv 2412.19437, §2.1.2)."""


def mixtures(model: nn.Module) -> dict[str, nn.Module]:
    """The layers with routed experts by name; none in a dense model."""
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(getattr(getattr(module, "experts", None), "num_experts", None), int)
    }


class Loads:
    """Counts of a model's layers while gradients are wanted: sampling and validation do not count.

    Padding counts with the tokens; layers that are computed again in the backward pass count
    twice, all experts alike.
    """

    def __init__(self, model: nn.Module) -> None:
        self.layers = mixtures(model)
        self.load: dict[str, Tensor] = {}
        """[E] tokens of each layer's experts since `clear`."""
        experts: dict[str, Any] = {name: layer.experts for name, layer in self.layers.items()}
        self._hooks = [
            module.register_forward_pre_hook(partial(self._count, name))
            for name, module in experts.items()
        ]

    def of(self, name: str) -> Tensor:
        """[E] of a layer; zeros where nothing went through."""
        experts: Any = self.layers[name].experts
        return self.load.get(name, torch.zeros(experts.num_experts, dtype=torch.long))

    def clear(self) -> None:
        """Count anew."""
        self.load = {}

    def close(self) -> None:
        """Leave the model as it was."""
        for hook in self._hooks:
            hook.remove()

    def _count(self, name: str, experts: Any, args: tuple[Any, ...]) -> None:
        if torch.is_grad_enabled():
            chosen_NK: Tensor = args[1]
            count_E = torch.bincount(chosen_NK.flatten(), minlength=experts.num_experts)
            self.load[name] = self.load[name] + count_E if name in self.load else count_E


def balance(load_E: Tensor) -> dict[str, float]:
    """How even a load is.

    `load_entropy`: of the shares, in units of log E; 1 is even, 0 all tokens to one expert.
    `max_violation`: largest load over the mean one, minus 1; 0 is even, E - 1 all to one (Wang et
    al. 2024, arXiv 2408.15664, §4.1).
    """
    share_E = load_E.double() / load_E.sum().clamp(min=1)
    entropy = -torch.special.xlogy(share_E, share_E).sum() / torch.tensor(len(load_E)).log()
    return {
        "load_entropy": float(entropy),
        "max_violation": float(share_E.max() * len(load_E) - 1),
    }


@torch.no_grad()
def even_out(layer: nn.Module, load_E: Tensor, step: float) -> None:
    """Raise by `step` the bias of experts with less than the mean load, lower that of the others
    (DeepSeek-V3, arXiv 2412.19437, §2.1.2); a layer without such a bias stays as it is.
    """
    bias = bias_of(layer)
    if bias is not None:
        load_E = load_E.to(bias)
        bias += step * (load_E.mean() - load_E).sign()


def bias_of(layer: nn.Module) -> Tensor | None:
    """[E], of the router that stands beside a layer's experts."""
    biases = (getattr(module, BIAS, None) for module in layer.modules())
    return next((bias for bias in biases if bias is not None), None)
