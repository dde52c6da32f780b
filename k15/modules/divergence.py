"""How far the policy is from the weights it started with, on what it has sampled.

Legend: B sequences of a micro-batch, T response tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from k15.models.policy import Policy
from k15.modules.micro_batches import LaidOut


class KLToStart:
    """A copy of the weights that a policy has now, and how far it is from them later.

    Frozen ones stay as they are: with LoRA it is a copy of the adapter alone, with which the policy
    is the base.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.start = {
            name: parameter.detach().clone()
            for name, parameter in policy.model.named_parameters()
            if parameter.requires_grad
        }

    @torch.no_grad()
    def __call__(
        self, minibatch: Iterable[LaidOut], logps: Callable[[LaidOut], Tensor]
    ) -> dict[str, Tensor]:
        """`kl`: KL(π_i ‖ π_start) in nats, estimated on the tokens that π_i sampled and summed over
        them.

        For each the value of exp(−r) − 1 + r with r = log π_i − log π_start: not negative, and of
        the same expectation as r (Schulman 2020, "Approximating KL divergence", k3). The
        micro-batches bring log π_i; `logps` gives [B, T] log π under the model's weights.
        """
        total = torch.zeros((), device=self.policy.device)  # read once: reading waits
        with weights_of(self.policy.model, self.start):
            for micro in minibatch:
                assert micro.reference_logp_BT is not None
                ratio_BT = micro.reference_logp_BT - logps(micro)
                divergence_BT = ratio_BT.neg().expm1() + ratio_BT
                total += torch.where(micro.fresh_BT, divergence_BT, 0.0).sum()
        return {"kl": total}


@contextmanager
def weights_of(model: nn.Module, weights: Mapping[str, Tensor]) -> Iterator[None]:
    """The same model, patches and all, with other weights in the place of some or all."""
    named = dict(model.named_parameters())
    parameters = {name: named[name] for name in weights}
    trained = {n: p.detach().clone() if spread(p) else p.data for n, p in parameters.items()}
    try:
        exchange(parameters, weights)
        yield
    finally:
        exchange(parameters, trained)


@torch.no_grad()
def exchange(parameters: Mapping[str, nn.Parameter], weights: Mapping[str, Tensor]) -> None:
    """FSDP2 holds on to the memory of those that it has spread."""
    for name, parameter in parameters.items():
        if spread(parameter):
            parameter.copy_(weights[name])
        else:
            parameter.data = weights[name].to(parameter)


def spread(parameter: Tensor) -> bool:
    """Whether ranks have parts of it."""
    return isinstance(parameter, DTensor)
