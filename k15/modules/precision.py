"""Number types of training: which of Lightning's are taken, and steps that are not rounded away.

The weights are what `model.dtype` says, the arithmetic what `trainer.precision` says. bfloat16 has
8 significant bits: a step below 1/512 of a weight is lost when it is added to it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from k15.config.errors import ConfigError

logger = logging.getLogger(__name__)

NARROW = (torch.bfloat16, torch.float16)
LEAST_MOVED = 0.1
"""Share of the weights; a step that moves fewer is warned of."""
SLOW = 5
"""Times as long as in float32; a type whose products take longer is warned of."""


class AdamWWithMasters(AdamW):
    """AdamW that keeps a master weight in float32 for each weight of a narrower type.

    Moments and steps are float32, and the weight is the rounded master (Micikevicius et al. 2018,
    arXiv 1710.03740, §3.1). Of float32 weights it is AdamW. With `on_cpu` all weights have masters,
    which lie in main memory with their moments, and the steps are taken there.
    """

    def __init__(self, parameters: Iterable[Any], *, on_cpu: bool = False, **settings: Any) -> None:
        self.masters: dict[nn.Parameter, Tensor] = {}
        self.on_cpu = on_cpu
        super().__init__(parameters, **settings)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """The masters begin as the weights are."""
        super().add_param_group(param_group)
        for weight in self.param_groups[-1]["params"]:
            if weight.dtype in NARROW or self.on_cpu:
                device = torch.device("cpu") if self.on_cpu else weight.device
                self.masters[weight] = weight.detach().to(device, torch.float32, copy=True)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Step the masters with the weights' gradients, and round."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with self._on_masters():
            self.take_step()
        return loss

    def take_step(self) -> None:
        """AdamW's, of what the weights are now."""
        super().step()

    def state_dict(self) -> dict[str, Any]:
        """And the masters, in the order of the weights."""
        return {**super().state_dict(), "masters": [*self.masters.values()]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Raises ValueError if it is of other number types."""
        saved = state_dict.get("masters", [])
        if len(saved) != len(self.masters):
            raise ValueError(
                f"resume: the checkpoint has {len(saved)} master weights and this model "
                f"{len(self.masters)}; resume with the model.dtype, and the optimizer on the CPU "
                "or not, of the run"
            )
        with self._on_masters():  # torch gives the moments their weight's type
            super().load_state_dict(state_dict)
            for master, value in zip(self.masters.values(), saved, strict=True):
                master.copy_(value)

    @contextmanager
    def _on_masters(self) -> Iterator[None]:
        """Within it weights with masters are these, with float32 gradients."""
        swapped = [(weight, weight.data, weight.grad) for weight in self.masters]
        try:
            for weight, _, gradient in swapped:
                weight.grad = None
                weight.data = self.masters[weight]
                weight.grad = None if gradient is None else gradient.to(weight)
            yield
        finally:
            for weight, rounded, gradient in swapped:
                weight.grad = None
                weight.data = rounded.copy_(self.masters[weight])
                weight.grad = gradient


def check_precision(precision: str) -> None:
    """Raise ConfigError for a `trainer.precision` that would change more than the arithmetic."""
    if precision in ("bf16-true", "16-true", "64-true"):
        raise ConfigError(
            f"trainer.precision={precision}: it would round the rotary frequencies and the data "
            "with the weights; choose bf16-mixed (or 32-true), and for bfloat16 weights with "
            "float32 masters in the optimizer beside it model.dtype=bfloat16"
        )


def warn_of_slow_bfloat16(trainer: Trainer) -> None:
    """Say so if a processor has no instructions for it: without AVX-512 it is 70 times as slow."""
    if trainer.strategy.root_device.type == "cpu" and str(trainer.precision) == "bf16-mixed":
        slower = seconds_of_product(torch.bfloat16) / seconds_of_product(torch.float32)
        if slower > SLOW:
            logger.warning(
                "trainer.precision=bf16-mixed: this processor multiplies bfloat16 %.0f times as "
                "slowly as float32; take trainer.precision=32-true",
                slower,
            )


def seconds_of_product(dtype: torch.dtype) -> float:
    """Of two 128 x 128 matrices on this processor, the fastest of three times."""
    matrix, taken = torch.ones(128, 128, dtype=dtype), []
    for _ in range(3):
        start = time.perf_counter()
        matrix @ matrix
        taken.append(time.perf_counter() - start)
    return min(taken)


def warn_of_lost_steps(trainer: Trainer, learning_rate: float) -> None:
    """Say so if an optimizer without masters cannot move narrow weights."""
    for optimizer in trainer.optimizers:
        narrow = narrow_weights(optimizer)
        moved = share_moved(narrow, learning_rate) if narrow else 1.0
        if moved < LEAST_MOVED:
            logger.warning(
                "a step of module.learning_rate=%g moves %.1f %% of the weights, the others round "
                "it away: take model.dtype=float32 with trainer.precision=bf16-mixed, or "
                "k15.modules.precision.AdamWWithMasters as the optimizer",
                learning_rate,
                100 * moved,
            )


def narrow_weights(optimizer: Optimizer) -> list[nn.Parameter]:
    """Weights below float32 that steps are added to as they are."""
    masters = optimizer.masters if isinstance(optimizer, AdamWWithMasters) else {}
    return [
        weight
        for group in optimizer.param_groups
        for weight in group["params"]
        if weight.dtype in NARROW and weight not in masters
    ]


@torch.no_grad()
def share_moved(weights: Iterable[Tensor], step: float) -> float:
    """Share of the weights that are other numbers once `step` is added, in units of the weights:
    Adam's is about the learning rate.
    """
    moved, total = 0, 0
    for weight in weights:
        moved += int((weight + step != weight).sum())
        total += weight.numel()
    return moved / max(1, total)
