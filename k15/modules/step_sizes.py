"""What the optimizer remembers of one iteration of RL in the next one, and how large its steps are.

Each iteration is a new problem with a new reference, so the report resets the optimizer (k1.5
§2.3.2). Adam divides by the root of its second moment, and the first gradient behind a reset is all
that this holds: the step is the learning rate times the sign of the gradient, whatever its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

from k15.modules.optimizers import is_muons

OptimizerState = Literal["reset", "reset_with_warmup", "keep_second_moments", "keep"]
MOMENTA = {"exp_avg", "momentum_buffer"}
"""AdamW's and Muon's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSizes:
    """`optimizer_state` is what becomes of the optimizer's state when an iteration begins. Over the
    first `warmup_steps` optimizer steps of the run the learning rate rises.

    Raises ValueError naming the setting that cannot be.
    """

    optimizer_state: OptimizerState = "reset"
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        ways = get_args(OptimizerState)
        if self.optimizer_state not in ways:
            raise ValueError(
                f"module.optimizer_state={self.optimizer_state!r}: choose {', '.join(ways)}"
            )
        if self.warmup_steps < 0:
            raise ValueError(f"module.warmup_steps={self.warmup_steps}: must be at least 0")

    @torch.no_grad()
    def begin(self, optimizer: Any) -> None:
        """An iteration begins; master weights are no part of the state."""
        if self.optimizer_state in ("reset", "reset_with_warmup"):
            optimizer.state.clear()
        elif self.optimizer_state == "keep_second_moments":
            for state in optimizer.state.values():
                for momentum in MOMENTA & state.keys():
                    state[momentum].zero_()

    def set_rates(
        self, optimizer: Any, rates: Sequence[float], step: int, steps: int, taken: int
    ) -> None:
        """The learning rates, one for each parameter group, of an iteration's `step` of `steps` (0
        is the first), of which the run has `taken` so many before it.
        """
        rising = min(1.0, (taken + 1) / max(1, self.warmup_steps))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * rising * self._share(optimizer, group, step, steps)

    def _share(self, optimizer: Any, group: dict[str, Any], step: int, steps: int) -> float:
        """reset_with_warmup: 1/steps, 2/steps, ..., 1.
        keep_second_moments: AdamW divides its first moment, which began anew, by 1 - beta^n for the
        n steps since its state began; here by 1 - beta^(step + 1) instead. A step of Muon is as
        large whatever its momentum is.
        """
        if self.optimizer_state == "reset_with_warmup":
            return (step + 1) / steps
        if self.optimizer_state == "keep_second_moments" and not is_muons(group):
            beta = group["betas"][0]
            n = 1 + max(
                (int(s["step"]) for s in optimizer.state.values() if "step" in s), default=0
            )
            return (1 - beta**n) / (1 - beta ** (step + 1))
        return 1.0
