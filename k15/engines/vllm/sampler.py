"""Log-probabilities as `Completion.logps` says; imported only beside vLLM.

Of its own, vLLM has "raw" ones, which leave the temperature out, and "processed" ones, which are
after top-p and forbidden tokens: neither is what a trainer computes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from vllm.v1.sample.sampler import Sampler


class PolicySampler(Sampler):
    """vLLM's, but that raw log-probabilities are those under softmax(logits / temperature) of each
    request, at temperature 1 of greedy ones.
    """

    temperature_B: Tensor | None = None

    def forward(self, logits: Tensor, sampling_metadata: Any, *args: Any, **kwargs: Any) -> Any:
        """Remember the temperatures of these rows; None: all are greedy."""
        self.temperature_B = sampling_metadata.temperature
        try:
            return super().forward(logits, sampling_metadata, *args, **kwargs)
        finally:
            self.temperature_B = None

    def compute_logprobs(self, logits: Tensor) -> Tensor:
        """[B, V]; of a prompt's tokens, outside of `forward`, at temperature 1."""
        logits = logits.float()
        if self.temperature_B is not None:
            sampled_B = self.temperature_B > 0
            logits = logits / torch.where(sampled_B, self.temperature_B, 1.0)[:, None]
        return logits.log_softmax(-1)
