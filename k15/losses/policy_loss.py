"""What every policy loss is: one `LossInputs` in, the loss and its metrics out.

    def squared_advantage(inputs, *, power=2.0):
        strength_BT = inputs.advantage_BT.sign() * inputs.advantage_BT.abs() ** power
        loss = -masked_sum(strength_BT * inputs.logp_BT, inputs.mask_BT).sum() / inputs.sequences
        return loss, {}

Lower is better. A loss is the SUM over its micro-batch divided by a count of the whole minibatch;
metrics are detached and divided in the same way. So both add up over micro-batches and ranks, and
neither depends on how the minibatch was cut. A loss's own hyperparameters are keyword arguments.

Legend: B sequences of a micro-batch, T longest response in it, in tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from k15.losses.reduce import check_mask, log_ratio


@dataclass(frozen=True, slots=True, kw_only=True)
class LossInputs:
    """A micro-batch of responses, and how much the whole minibatch holds.

    Raises ValueError if shapes do not fit or the mask is not boolean.
    """

    logp_BT: Tensor
    """[B, T] nats: log π_θ of each response token; carries the gradient."""
    reference_logp_BT: Tensor
    """[B, T] nats: the same under π_i, the policy at the iteration's start, as the trainer
    computes it; a constant.
    """
    engine_logp_BT: Tensor
    """[B, T] nats: the same as the engine reported it while sampling, in older segments under an
    older policy; a constant.
    """
    advantage_BT: Tensor
    """[B, 1] or [B, T], in units of reward unless the objective says otherwise: what multiplies
    ∇ log π, the same for all tokens of a response or one for each; a constant.
    """
    mask_BT: Tensor
    """[B, T] bool: tokens in the loss; what the other tensors hold elsewhere has no influence."""
    sequences: float
    """Sequences of the WHOLE minibatch, over all micro-batches and ranks."""
    tokens: float
    """Tokens in the loss of the WHOLE minibatch, over all micro-batches and ranks."""

    def __post_init__(self) -> None:
        check_mask(self.mask_BT)
        shape, advantage = self.logp_BT.shape, self.advantage_BT.shape
        per_token = (self.reference_logp_BT, self.engine_logp_BT, self.mask_BT)
        if len(shape) != 2 or any(tensor.shape != shape for tensor in per_token):
            raise ValueError(
                f"logp_BT {tuple(shape)}, reference_logp_BT, engine_logp_BT and mask_BT "
                f"{[tuple(tensor.shape) for tensor in per_token]} must be the same [B, T]"
            )
        if advantage not in (shape, (shape[0], 1)):
            raise ValueError(
                f"advantage_BT {tuple(advantage)} must be [B, 1] or [B, T], here "
                f"{(shape[0], 1)} or {tuple(shape)}"
            )

    @property
    def log_ratio_BT(self) -> Tensor:
        """[B, T] log π_θ/π_i in nats, 0 outside the mask."""
        return log_ratio(self.logp_BT, self.reference_logp_BT, self.mask_BT)

    @property
    def lengths_B(self) -> Tensor:
        """[B] tokens in the mask, at least 1: a response without any adds 0 and not 0/0."""
        return self.mask_BT.sum(-1).clamp(min=1)


Result = tuple[Tensor, dict[str, Tensor]]
PolicyLoss = Callable[[LossInputs], Result]


def check_loss(loss: PolicyLoss) -> None:
    """Call it once on two made-up responses; raises ValueError for what it will not compute."""
    logp_BT = torch.full((2, 2), -1.0, requires_grad=True)
    inputs = LossInputs(
        logp_BT=logp_BT,
        reference_logp_BT=logp_BT.detach(),
        engine_logp_BT=logp_BT.detach(),
        advantage_BT=torch.tensor([[0.5], [-0.5]]),
        mask_BT=torch.ones(2, 2, dtype=torch.bool),
        sequences=2.0,
        tokens=4.0,
    )
    loss(inputs)
