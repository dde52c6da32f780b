"""Optimizers to choose from: functions of parameter groups, named in configs/optimizer.

Each group holds `params` and its own learning rate `lr`. Steps add up in float32 whatever the
weights are (`k15.modules.precision`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer

from k15.config.errors import ConfigError
from k15.models.sharded import is_sharded
from k15.modules.precision import AdamWWithMasters

Groups = Sequence[dict[str, Any]]
MakeOptimizer = Callable[..., Optimizer]
"""Of groups and the model that they are of; `betas`, `weight_decay` and `on_cpu` by name."""


def adamw(
    groups: Groups, model: nn.Module, /, *, on_cpu: bool, **settings: Any
) -> AdamWWithMasters:
    """AdamW for all weights (Loshchilov and Hutter, arXiv 1711.05101)."""
    return AdamWWithMasters(groups, on_cpu=on_cpu, **settings)


def muon(
    groups: Groups,
    model: nn.Module,
    /,
    *,
    on_cpu: bool,
    weight_decay: float,
    momentum: float = 0.95,
    nesterov: bool = True,
    newton_schulz_steps: int = 5,
    adjust: Literal["match_rms_adamw", "original"] = "match_rms_adamw",
    **settings: Any,
) -> MuonAndAdamW:
    """Muon for the hidden matrices, AdamW for the rest.

    With `adjust` match_rms_adamw steps are as large as AdamW's, so that its learning rates fit (Liu
    et al. 2025, arXiv 2502.16982, eq. 4). Raises ConfigError if there is no hidden matrix, or if
    ranks have parts of them.
    """
    if is_sharded(model):
        raise ConfigError(
            "optimizer=muon: takes whole matrices, and this trainer spreads them over ranks; "
            "choose optimizer=adamw or trainer=ddp"
        )
    hidden = hidden_matrices(model)
    own = {
        "weight_decay": weight_decay,
        "momentum": momentum,
        "nesterov": nesterov,
        "ns_steps": newton_schulz_steps,
        "adjust_lr_fn": adjust,
    }
    split = []
    for group in groups:
        for chosen, more in ((True, own), (False, {"weight_decay": weight_decay})):
            params = [weight for weight in group["params"] if (weight in hidden) == chosen]
            split += [{**group, "params": params, **more}] if params else []
    if not any("momentum" in group for group in split):
        raise ConfigError("optimizer=muon: no hidden matrix is trained; choose optimizer=adamw")
    return MuonAndAdamW(split, on_cpu=on_cpu, **settings)


def hidden_matrices(model: nn.Module) -> set[nn.Parameter]:
    """Two-dimensional weights but for embeddings, the output embedding and heads of one row.

    Experts that transformers keeps in one three-dimensional tensor are not among them.
    """
    modules = [m for m in model.modules() if isinstance(m, nn.Embedding)]
    head = getattr(model, "get_output_embeddings", lambda: None)()
    outer = {p for m in [*modules, *([head] if head is not None else [])] for p in m.parameters()}
    return {p for p in model.parameters() if p.ndim == 2 and min(p.shape) > 1} - outer


class MuonAndAdamW(AdamWWithMasters):
    """torch's Muon for the groups that have a `momentum`, AdamW for the others; one state."""

    def take_step(self) -> None:
        """Each takes its own groups."""
        groups = self.param_groups
        matrices = [group for group in groups if is_muons(group)]
        self.param_groups = [group for group in groups if not is_muons(group)]
        try:
            super().take_step()
        finally:
            self.param_groups = groups
        steps = torch.optim.Muon([{"params": group["params"]} for group in matrices])
        steps.param_groups, steps.state = matrices, self.state
        steps.step()
        for weight in {p for group in matrices for p in group["params"]} & self.state.keys():
            self.state[weight].setdefault("step", torch.tensor(0.0))
            self.state[weight]["step"] += 1  # AdamW's `load_state_dict` looks for one

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Muon's with the settings that it has beside AdamW's."""
        if is_muons(param_group):
            defaults = torch.optim.Muon([{"params": [*param_group["params"]]}]).defaults
            param_group = {**defaults, **param_group}
        super().add_param_group(param_group)


def is_muons(group: dict[str, Any]) -> bool:
    """Whether a parameter group goes by Muon."""
    return "momentum" in group
