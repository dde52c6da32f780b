"""How far the engine's log-probabilities are from the trainer's.

Legend: B sequences of a micro-batch, T longest response in it, K classes of distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from k15.losses.policy_loss import LossInputs
from k15.losses.reduce import k3, log_ratio
from k15.shard import Shard

LOWEST, DECADES, PER_DECADE = 1e-9, 11, 40  # up to 100 nats, told apart to 6 %
LAST = DECADES * PER_DECADE


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Sums over the fresh tokens of a micro-batch, on its device; those of several add up.

    d = log μ(y_t) − log π_i(y_t), of the engine and of the trainer. Fresh are the tokens that the
    iteration's newest weights have sampled: what older ones sampled differs for another reason.
    """

    counts_K: Tensor
    """Tokens by |d|: in class k those up to `LOWEST`·10^(k / `PER_DECADE`)."""
    sums: Tensor
    """[2] Σ |d|, and Σ of the k3 estimate of KL(μ ‖ π_i)."""
    largest: Tensor
    """max |d|"""

    def __radd__(self, other: float) -> Mismatch:
        """A sum begins as 0."""
        return self

    def __add__(self, other: Mismatch) -> Mismatch:
        return Mismatch(
            self.counts_K + other.counts_K,
            self.sums + other.sums,
            torch.maximum(self.largest, other.largest),
        )

    def figures(self, shard: Shard) -> dict[str, float]:
        """Of all ranks, in nats per token; empty if no token is fresh."""
        mine = self.counts_K.cpu(), self.sums.double().cpu(), self.largest.cpu()
        counts, sums, largest = map(torch.stack, zip(*shard.gathered(mine), strict=True))
        if not (tokens := int(counts.sum())):
            return {}
        absolute, divergence = (sums.sum(0) / tokens).tolist()
        return {
            "engine_mismatch": absolute,
            "engine_mismatch_p95": quantile(counts.sum(0).tolist(), 0.95),
            "engine_mismatch_max": float(largest.max()),
            "engine_mismatch_kl": divergence,
        }


def mismatch(inputs: LossInputs, fresh_BT: Tensor) -> Mismatch:
    """Of one micro-batch; nothing is read from its device."""
    with torch.no_grad():
        d_BT = log_ratio(inputs.engine_logp_BT, inputs.reference_logp_BT, fresh_BT).float()
        place_BT = ((d_BT.abs() / LOWEST).log10() * PER_DECADE).ceil()
        class_BT = place_BT.nan_to_num(nan=LAST).clamp(0, LAST).long()
        counts_K = torch.zeros(LAST + 1, dtype=torch.long, device=d_BT.device)
        counts_K.scatter_add_(0, class_BT.flatten(), fresh_BT.flatten().long())
        sums = torch.stack([d_BT.abs().sum(), k3(d_BT).sum()])
        return Mismatch(counts_K, sums, d_BT.abs().max())


def quantile(counts_K: Sequence[int], share: float) -> float:
    """The distance that so many tokens stay within, rounded up to the end of its class."""
    wanted = share * sum(counts_K)
    place = next(k for k, within in enumerate(accumulate(counts_K)) if within >= wanted)
    return LOWEST * 10 ** (place / PER_DECADE)
