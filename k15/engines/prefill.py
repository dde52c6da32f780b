"""Prompts, and the forward passes that fill their keys and values.

Every prompt is prefilled up to its last token, which is then the first input of the decode loop:
one place, the decode step, yields logits, and G samples of one prompt share one prefill.

Legend: P prompts of one forward pass, K key-value heads, L positions, D head dimension.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from k15.engines.slot_cache import KeysValues
from k15.models.placeholders import joined

if TYPE_CHECKING:
    from k15.models.policy import Expanded, Policy

SHORTEST = 0.75  # of the longest prompt that it is padded to


@dataclass(slots=True, eq=False)
class Prompt:
    """One prompt of a call, let go with its keys and values when another one has started."""

    expanded: Expanded
    prefix: Sequence[KeysValues] = ()
    """By layer, keys and values [P, K, L, D] of the prompts that were prefilled with this one."""
    row: int = 0
    """Its place among the P."""

    @property
    def prefix_length(self) -> int:
        """Tokens before the last one."""
        return len(self.expanded.tokens) - 1

    @property
    def ready(self) -> bool:
        """Whether there is nothing to be prefilled."""
        return bool(self.prefix) or self.prefix_length == 0

    @property
    def rotary(self) -> int:
        """Rotary position of the last token, the same on all axes."""
        return int(self.expanded.positions[..., -1].max())


def batches(prompts: Sequence[Prompt], tokens: int) -> Iterator[list[Prompt]]:
    """Prompts of similar length together, up to so many tokens; a longer one alone."""
    longest_first = deque(sorted(prompts, key=lambda prompt: -prompt.prefix_length))
    while longest_first:
        batch = [longest_first.popleft()]
        longest = batch[0].prefix_length
        while (
            longest_first
            and longest_first[0].prefix_length >= SHORTEST * longest
            and (len(batch) + 1) * longest <= tokens
        ):
            batch.append(longest_first.popleft())
        yield batch


def prefill(policy: Policy, prompts: list[Prompt]) -> None:
    """One forward pass over all tokens but the last of each prompt."""
    longest = max(prompt.prefix_length for prompt in prompts)
    padding = prompts[0].expanded.tokens[-1]  # a text token, so that it asks for no picture
    tokens_PL = torch.full((len(prompts), longest), padding)
    mask_PL = torch.zeros_like(tokens_PL)
    axes = prompts[0].expanded.positions.shape[:-1]
    positions = torch.zeros(*axes, len(prompts), longest, dtype=torch.long)
    for row, prompt in enumerate(prompts):
        length = prompt.prefix_length
        tokens_PL[row, :length] = torch.tensor(prompt.expanded.tokens[:-1])
        mask_PL[row, :length] = 1
        positions[..., row, :length] = prompt.expanded.positions[..., :-1]
    cache, device = DynamicCache(), policy.device
    policy.model.base_model(
        input_ids=tokens_PL.to(device),
        attention_mask=mask_PL.to(device),
        position_ids=positions.to(device),
        past_key_values=cache,
        use_cache=True,
        **features(prompts, device),
    )
    prefix = [(keys, values) for keys, values, *_ in cache]
    for row, prompt in enumerate(prompts):
        prompt.prefix, prompt.row = prefix, row


def features(prompts: Sequence[Prompt], device: torch.device) -> dict[str, Tensor]:
    """The pictures of all prompts, in order."""
    pictures = joined([prompt.expanded.features for prompt in prompts])
    return {name: value.to(device) for name, value in pictures.items()}
