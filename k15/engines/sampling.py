"""Drawing the next token of every row at once.

Legend: B rows, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from k15.engines.protocol import Sampling


class Sampler:
    """Draws tokens as `sampling` says, never one of the forbidden ones.

    One uniform number per row and step, inverted through the cumulative distribution: a function of
    the row's seed and of how many tokens stand in front, so that nothing else in the call counts.
    """

    def __init__(self, sampling: Sampling, forbidden_V: Tensor) -> None:
        self.temperature, self.top_p = sampling.temperature, sampling.top_p
        self.forbidden_V = forbidden_V if forbidden_V.any() else None

    def __call__(self, logits_BV: Tensor, seed_B: Tensor, step_B: Tensor) -> tuple[Tensor, Tensor]:
        """[B] tokens and [B] their log-probabilities under softmax(logits / temperature).

        The log-probabilities are taken before top-p and before tokens are forbidden, as a trainer
        computes them; if greedy, at temperature 1. `step_B` are the tokens in front of the new one.
        """
        scaled_BV = logits_BV.float()
        if self.temperature not in (0, 1):
            scaled_BV = scaled_BV / self.temperature
        logp_BV = scaled_BV.log_softmax(-1)
        allowed_BV = logp_BV
        if self.forbidden_V is not None:
            allowed_BV = logp_BV.masked_fill(self.forbidden_V, -torch.inf)
        if self.temperature == 0:
            token_B1 = allowed_BV.argmax(-1, keepdim=True)
        else:
            token_B1 = self._draw(allowed_BV, hashed_uniform(seed_B, step_B))
        return token_B1[:, 0], logp_BV.gather(1, token_B1)[:, 0]

    def _draw(self, logp_BV: Tensor, uniform_B: Tensor) -> Tensor:
        probability_BV = logp_BV.softmax(-1)
        if self.top_p < 1:
            probability_BV = nucleus(probability_BV, self.top_p)
        return inverse_cdf(probability_BV, uniform_B)


def inverse_cdf(probability_BV: Tensor, uniform_B: Tensor) -> Tensor:
    """[B, 1] tokens drawn from rows that need not sum to one, by numbers from [0, 1)."""
    cumulative_BV = probability_BV.cumsum(-1)
    # In (0, total]: the first entry that reaches it has a probability above 0, and there is one.
    reach_B1 = (1 - uniform_B[:, None]) * cumulative_BV[:, -1:]
    return torch.searchsorted(cumulative_BV, reach_B1)


def hashed_uniform(seed_B: Tensor, step_B: Tensor) -> Tensor:
    """[B] numbers from [0, 1), a function of seed and step: SplitMix64's output, its top 24 bits.

    https://doi.org/10.1145/2714064.2660195; int64 arithmetic wraps around as uint64 does.
    """
    z_B = seed_B + (step_B + 1) * signed(0x9E3779B97F4A7C15)
    z_B = (z_B ^ shifted(z_B, 30)) * signed(0xBF58476D1CE4E5B9)
    z_B = (z_B ^ shifted(z_B, 27)) * signed(0x94D049BB133111EB)
    z_B = z_B ^ shifted(z_B, 31)
    return shifted(z_B, 40).float() / 2**24


def shifted(z_B: Tensor, bits: int) -> Tensor:
    """z >> bits, filled with zeros."""
    return (z_B >> bits) & (2 ** (64 - bits) - 1)


def signed(number: int) -> int:
    """The int64 with the bits of a uint64."""
    return number - 2**64 if number >= 2**63 else number


def nucleus(probability_BV: Tensor, top_p: float) -> Tensor:
    """Zero all but the smallest set of most likely tokens whose probabilities reach `top_p`."""
    sorted_BV, order_BV = probability_BV.sort(-1, descending=True)
    before_BV = sorted_BV.cumsum(-1) - sorted_BV
    kept_BV = sorted_BV.masked_fill(before_BV >= top_p, 0)
    return torch.zeros_like(probability_BV).scatter(-1, order_BV, kept_BV)
