"""The layout in which each prompt stands once: cut by a token budget, then laid out in one row.

    p p p p a a a b b b b b c c │ q q q d d d d         T tokens: prompts p, q, responses a to d

    p p p p b b b b b                                   N places for attention: buckets of whole
    p p p p a a a · ·                                   sequences of similar length, the longest
    q q q d d d d · ·                                   first, padded on the right
    p p p p c c

The G samples of a problem share its prompt, so its tokens and pictures go through the layers once
instead of G times, and no padding does. A response's last token predicts nothing and is left out.

Legend: S sequences, T tokens of the row, N places.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from k15.models.layouts.base import (
    Name,
    check_budget,
    check_prompts,
    expanded_response,
    shown_first,
)
from k15.models.layouts.batch import PackedBatch, SequencePlaces
from k15.models.layouts.targets import response_targets, sent
from k15.models.placeholders import joined
from k15.types import Example

if TYPE_CHECKING:
    from k15.models.policy import Expanded, Policy

SHORTEST = 0.75  # of the longest sequence of its bucket


class Shared:
    """A prompt counts once in a micro-batch, and equal prompts are together."""

    name: Name = "shared"

    def plan(
        self, policy: Policy, examples: Sequence[Example], tokens_per_microbatch: int
    ) -> list[list[int]]:
        """As `Layout.plan`, in the order of each prompt's first example."""
        check_budget(tokens_per_microbatch)
        batches: list[list[int]] = []
        used = 0
        for members in by_prompt(examples):
            first = examples[members[0]]
            shown = first.images[: shown_first(policy, first)]
            prompt = policy.length(first.prompt_tokens, shown)
            uncounted = prompt
            for index in members:
                response = len(expanded_response(policy, examples[index]).response_tokens[:-1])
                if not batches or used + uncounted + response > tokens_per_microbatch:
                    batches.append([])
                    used, uncounted = 0, prompt
                batches[-1].append(index)
                used += uncounted + response
                uncounted = 0
        return batches

    def collate(self, policy: Policy, examples: Sequence[Example]) -> PackedBatch:
        """As `Layout.collate`."""
        check_prompts(examples)
        tokens: list[int] = []
        positions: list[Tensor] = []
        features: list[dict[str, Tensor]] = []
        parts: dict[int, tuple[range, range]] = {}
        for members in by_prompt(examples):
            first = examples[members[0]]
            shown = shown_first(policy, first)
            prompt = policy.expand(first.prompt_tokens, first.images[:shown])
            features.append(prompt.features)
            positions.append(prompt.positions)
            prompt_range = _append(tokens, prompt.tokens)
            for index in members:
                response = response_behind(policy, prompt, examples[index], shown)
                features.append(response.features)
                positions.append(response.positions)
                parts[index] = prompt_range, _append(tokens, response.tokens)
        in_order = [parts[index] for index in range(len(examples))]
        before_S = np.array([prompt[-1] for prompt, _ in in_order])
        first_S = np.array([response.start for _, response in in_order])
        device = policy.device
        examples = [expanded_response(policy, example) for example in examples]
        return PackedBatch(
            tokens=sent(torch.tensor([tokens]), device),
            positions=sent(torch.cat(positions, -1).unsqueeze(-2), device),
            sequence_lengths=tuple(len(prompt) + len(response) for prompt, response in in_order),
            places=sequence_places(in_order, device),
            features={name: sent(value, device) for name, value in joined(features).items()},
            **response_targets(examples, before_S, first_S, device),
        )


def response_behind(policy: Policy, prompt: Expanded, example: Example, shown: int) -> Expanded:
    """A response but for its last token, as the model takes it behind a prompt that holds the
    first `shown` pictures.
    """
    response = example.response_tokens[:-1]
    if shown == len(example.images):
        return replace(
            prompt,
            tokens=response,
            positions=_following(prompt.positions, len(response)),
            features={},
        )
    whole = policy.expand((*example.prompt_tokens, *response), example.images)
    start = len(prompt.tokens)
    _, features = policy.placeholders.expand(response, example.images[shown:])
    return replace(
        prompt,
        tokens=whole.tokens[start:],
        positions=whole.positions[..., start:],
        features=policy.typed(features),
    )


def by_prompt(examples: Sequence[Example]) -> list[list[int]]:
    """Indices of the examples that have a prompt in common, in the order of its first one."""
    found: dict[Hashable, list[int]] = {}
    for index, example in enumerate(examples):
        key = (example.prompt_tokens, *map(id, example.images))  # those of responses, too
        found.setdefault(key, []).append(index)
    return list(found.values())


def _append(tokens: list[int], more: Sequence[int]) -> range:
    tokens.extend(more)
    return range(len(tokens) - len(more), len(tokens))


def _following(positions: Tensor, count: int) -> Tensor:
    """Rotary positions of text behind a prompt, the same on all axes."""
    start = int(positions.max()) + 1
    return torch.arange(start, start + count).expand(*positions.shape[:-1], -1)


def sequence_places(
    parts: Sequence[tuple[range, range]], device: torch.device | None = None
) -> SequencePlaces:
    """Buckets of sequences, each given as the tokens of its prompt and of its response."""
    lengths = [len(prompt) + len(response) for prompt, response in parts]
    buckets = _buckets(lengths)
    shapes = tuple((len(bucket), lengths[bucket[0]]) for bucket in buckets)
    starts = np.cumsum([0, *(longest for rows, longest in shapes for _ in range(rows))])
    order = [index for bucket in buckets for index in bucket]
    # every token of every sequence, and the place that it has there
    token = np.concatenate([np.array([*parts[i][0], *parts[i][1]]) for i in order])
    place = np.concatenate(
        [start + np.arange(lengths[i]) for start, i in zip(starts[:-1], order, strict=True)]
    )
    _, first = np.unique(token, return_index=True)
    copies = np.delete(np.arange(len(token)), first)
    token_N = np.zeros(starts[-1], dtype=np.int64)
    origin_N = np.full(starts[-1], len(first))
    token_N[place] = token
    origin_N[place[first]] = np.arange(len(first))
    arrays = {"token_N": token_N, "first_T": place[first], "origin_N": origin_N}
    arrays |= {"copy_C": place[copies], "copied_C": token[copies]}
    tensors = {name: sent(torch.from_numpy(array), device) for name, array in arrays.items()}
    return SequencePlaces(buckets=shapes, **tensors)


def _buckets(lengths: Sequence[int]) -> list[list[int]]:
    """Indices of sequences of similar length together, the longest first."""
    buckets: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if buckets and lengths[index] >= SHORTEST * lengths[buckets[-1][0]]:
            buckets[-1].append(index)
        else:
            buckets.append([index])
    return buckets
