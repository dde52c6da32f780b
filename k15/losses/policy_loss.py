"""The one signature of all policy losses, so that an objective can call any of them.

Legend: B sequences of a micro-batch, T longest response in it, in tokens.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor


class PolicyLoss(Protocol):
    """Log-probabilities and advantages in, the loss and its metrics out; lower is better.

    Losses are SUMS over the micro-batch divided by the counts of the whole minibatch, metrics are
    detached and divided the same way. So both add up over micro-batches and ranks, and neither
    depends on how the minibatch was cut.

    Example of one's own:

        def squared_advantage(
            logp_BT, reference_logp_BT, advantage_B, mask_BT, *, sequences, tokens, power=2.0
        ):
            logp_B = masked_sum(logp_BT, mask_BT)
            return -(advantage_B.sign() * advantage_B.abs() ** power * logp_B).sum() / sequences, {}
    """

    def __call__(
        self,
        logp_BT: Tensor,
        reference_logp_BT: Tensor,
        advantage_B: Tensor,
        mask_BT: Tensor,
        *,
        sequences: float,
        tokens: float,
        **hyperparameters: Any,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Arguments:

        - `logp_BT` [B, T] nats: log π_θ of each response token; carries the gradient.
        - `reference_logp_BT` [B, T] nats: the same under π_i, the policy at the iteration's start,
          which also sampled the responses; a constant.
        - `advantage_B` [B] in units of reward: what multiplies ∇ log π; a constant.
        - `mask_BT` [B, T] bool: tokens in the loss; what the others hold has no influence.
        - `sequences`, `tokens`: how many sequences, and tokens in the loss, the WHOLE minibatch
          has over all micro-batches and ranks.

        Raises ValueError if shapes do not fit or a hyperparameter is out of range.
        """
        ...


def check_loss(loss: PolicyLoss) -> None:
    """Call it once on two made-up responses; raises ValueError for what it will not compute."""
    logp_BT = torch.full((2, 2), -1.0, requires_grad=True)
    advantage_B, mask_BT = torch.tensor([0.5, -0.5]), torch.ones(2, 2, dtype=torch.bool)
    loss(logp_BT, logp_BT.detach(), advantage_B, mask_BT, sequences=2.0, tokens=4.0)
