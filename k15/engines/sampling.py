"""Drawing the next token of every row at once.

Legend: B rows, V vocabulary, K ways of drawing.
"""

from __future__ import annotations

import torch
from torch import Tensor

from k15.engines.protocol import Sampling


class Sampler:
    """Draws tokens, each row's in its own way, never one of the forbidden ones.

    One uniform number per row and step, inverted through the cumulative distribution: a function of
    the row's seed and of how many tokens stand in front, so that nothing else in the call counts.
    """

    def __init__(self, forbidden_V: Tensor) -> None:
        self.forbidden_V = forbidden_V if forbidden_V.any() else None
        self.device = forbidden_V.device
        self.ways: list[tuple[float, float]] = []
        """The temperatures and top-p's that were asked for, by number."""
        self.ways_K2 = torch.ones(0, 2, device=self.device)

    def number_of(self, sampling: Sampling) -> int:
        """By which rows say that they are drawn in this way."""
        way = sampling.temperature, sampling.top_p
        if way not in self.ways:
            self.ways.append(way)
            self.ways_K2 = torch.tensor(self.ways, dtype=torch.float32, device=self.device)
        return self.ways.index(way)

    def __call__(
        self, logits_BV: Tensor, seed_B: Tensor, step_B: Tensor, way_B: Tensor
    ) -> tuple[Tensor, Tensor]:
        """[B] tokens and [B] their log-probabilities under softmax(logits / temperature).

        The log-probabilities are taken before top-p and before tokens are forbidden, as a trainer
        computes them; if greedy, at temperature 1. `step_B` are the tokens in front of the new one,
        `way_B` is what `number_of` has said.
        """
        temperature_B1, top_p_B1 = self.ways_K2[way_B].split(1, -1)
        logp_BV = self._scaled(logits_BV.float(), temperature_B1).log_softmax(-1)
        allowed_BV = logp_BV
        if self.forbidden_V is not None:
            allowed_BV = logp_BV.masked_fill(self.forbidden_V, -torch.inf)
        token_B1 = self._taken(allowed_BV, temperature_B1, top_p_B1, hashed_uniform(seed_B, step_B))
        return token_B1[:, 0], logp_BV.gather(1, token_B1)[:, 0]

    def _scaled(self, logits_BV: Tensor, temperature_B1: Tensor) -> Tensor:
        if all(temperature in (0, 1) for temperature, _ in self.ways):
            return logits_BV
        return logits_BV / torch.where(temperature_B1 > 0, temperature_B1, 1.0)

    def _taken(
        self, logp_BV: Tensor, temperature_B1: Tensor, top_p_B1: Tensor, uniform_B: Tensor
    ) -> Tensor:
        """[B, 1] the most likely tokens, or drawn ones; what no row needs is not computed."""
        greedy = {temperature == 0 for temperature, _ in self.ways}
        if greedy == {True}:
            return logp_BV.argmax(-1, keepdim=True)
        drawn_B1 = self._drawn(logp_BV, top_p_B1, uniform_B)
        if greedy == {False}:
            return drawn_B1
        return torch.where(temperature_B1 == 0, logp_BV.argmax(-1, keepdim=True), drawn_B1)

    def _drawn(self, logp_BV: Tensor, top_p_B1: Tensor, uniform_B: Tensor) -> Tensor:
        probability_BV = logp_BV.softmax(-1)
        if any(top_p < 1 for _, top_p in self.ways):
            narrow_BV = nucleus(probability_BV, top_p_B1)
            probability_BV = torch.where(top_p_B1 < 1, narrow_BV, probability_BV)
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


def nucleus(probability_BV: Tensor, top_p: Tensor | float) -> Tensor:
    """Zero all but the smallest set of most likely tokens whose probabilities reach `top_p`."""
    sorted_BV, order_BV = probability_BV.sort(-1, descending=True)
    before_BV = sorted_BV.cumsum(-1) - sorted_BV
    kept_BV = sorted_BV.masked_fill(before_BV >= top_p, 0)
    return torch.zeros_like(probability_BV).scatter(-1, order_BV, kept_BV)
