"""Drawing the next token of every row at once.

Legend: B rows, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from k15.engines.protocol import Sampling


class Sampler:
    """Draws tokens as `sampling` says, never one of the forbidden ones.

    One uniform number per row and step, inverted through the cumulative distribution: the stream
    of random numbers, and so the tokens, depends on the seed and the order of the rows alone.
    """

    def __init__(self, sampling: Sampling, forbidden_V: Tensor) -> None:
        self.temperature, self.top_p = sampling.temperature, sampling.top_p
        self.forbidden_V = forbidden_V if forbidden_V.any() else None
        self.generator = torch.Generator(forbidden_V.device).manual_seed(sampling.seed)

    def __call__(self, logits_BV: Tensor) -> tuple[Tensor, Tensor]:
        """[B] tokens and [B] their log-probabilities under softmax(logits / temperature).

        The log-probabilities are taken before top-p and before tokens are forbidden, as a trainer
        computes them; if greedy, at temperature 1.
        """
        scaled_BV = logits_BV.float()
        if self.temperature not in (0, 1):
            scaled_BV = scaled_BV / self.temperature
        logp_BV = scaled_BV.log_softmax(-1)
        allowed_BV = logp_BV
        if self.forbidden_V is not None:
            allowed_BV = logp_BV.masked_fill(self.forbidden_V, -torch.inf)
        token_B1 = self._draw(allowed_BV)
        return token_B1[:, 0], logp_BV.gather(1, token_B1)[:, 0]

    def _draw(self, logp_BV: Tensor) -> Tensor:
        if self.temperature == 0:
            return logp_BV.argmax(-1, keepdim=True)
        probability_BV = logp_BV.softmax(-1)
        if self.top_p < 1:
            probability_BV = nucleus(probability_BV, self.top_p)
        return inverse_cdf(probability_BV, self.generator)


def inverse_cdf(probability_BV: Tensor, generator: torch.Generator) -> Tensor:
    """[B, 1] tokens drawn from rows that need not sum to one, with one random number per row."""
    cumulative_BV = probability_BV.cumsum(-1)
    uniform_B1 = torch.rand(len(probability_BV), 1, generator=generator, device=generator.device)
    # In (0, total]: the first entry that reaches it has a probability above 0, and there is one.
    reach_B1 = (1 - uniform_B1) * cumulative_BV[:, -1:]
    return torch.searchsorted(cumulative_BV, reach_B1)


def nucleus(probability_BV: Tensor, top_p: float) -> Tensor:
    """Zero all but the smallest set of most likely tokens whose probabilities reach `top_p`."""
    sorted_BV, order_BV = probability_BV.sort(-1, descending=True)
    before_BV = sorted_BV.cumsum(-1) - sorted_BV
    kept_BV = sorted_BV.masked_fill(before_BV >= top_p, 0)
    return torch.zeros_like(probability_BV).scatter(-1, order_BV, kept_BV)
