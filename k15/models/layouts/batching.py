"""From training sequences to what one forward pass takes: cut by a token budget, then laid out.

Three layouts with the same gradients. Bucketed: sequences of similar length side by side, padded on
the right; causal attention never looks at the padding, so no mask is needed. Packed: all sequences
end to end in one row, for devices whose attention takes variable lengths. Shared: in one row too,
and a prompt that several have in common stands there once (k15/models/layouts/shared.py).

Legend: S sequences, B rows, L longest row, A axes of rotary positions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from k15.models.layouts.attention import attend_by_sequences
from k15.models.layouts.shared import collate_shared, cut_shared
from k15.models.layouts.targets import picture_features, response_targets
from k15.models.policy import Expanded, Policy
from k15.types import Example, PackedBatch

Layout = Literal["bucketed", "packed", "shared"]


def micro_batches(
    policy: Policy, examples: Sequence[Example], tokens_per_microbatch: int, layout: Layout
) -> Iterator[tuple[list[int], PackedBatch]]:
    """Indices of some examples and what the model takes for them, every example once.

    Raises ValueError as `cut` and `collate` do.
    """
    _check_budget(tokens_per_microbatch)
    if layout == "shared":
        cuts = cut_shared(policy, examples, tokens_per_microbatch)
    else:
        lengths = [expanded_length(policy, example) for example in examples]
        cuts = cut(lengths, tokens_per_microbatch, layout)
    for chosen in cuts:
        yield chosen, collate(policy, [examples[index] for index in chosen], layout)


def preferred_layout(policy: Policy, *, share_prompts: bool = False) -> Layout:
    """Packed on a GPU with flash attention, which takes variable lengths; bucketed elsewhere: a
    dense mask over a packed row costs its length squared.

    With `share_prompts`, shared where the model's attention allows it; it is switched to that.
    """
    if share_prompts and attend_by_sequences(policy.model):
        return "shared"
    implementation = policy.model.config.get_text_config()._attn_implementation or ""
    flash = policy.device.type == "cuda" and "flash" in implementation
    return "packed" if flash else "bucketed"


def expanded_length(policy: Policy, example: Example) -> int:
    """Tokens of prompt and response with one placeholder per visual token: what `cut` counts."""
    if not example.images:
        return example.length
    prompt = policy.expand(example.prompt_tokens, example.images)
    return len(prompt.tokens) + len(example.response_tokens)


def cut(
    lengths: Sequence[int], tokens_per_microbatch: int, layout: Literal["bucketed", "packed"]
) -> list[list[int]]:
    """Indices of the sequences of each micro-batch, every index once, the longest ones first.

    `lengths` [S] in tokens, pictures expanded. A micro-batch holds at most `tokens_per_microbatch`
    tokens: bucketed, padding counts (rows × longest); packed, the sum. A sequence longer than
    that is a micro-batch of its own. Raises ValueError if the budget is below 1.
    """
    if layout not in ("bucketed", "packed"):
        raise ValueError(f"layout={layout!r}: choose bucketed or packed")
    _check_budget(tokens_per_microbatch)
    longest_first = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    fill = _side_by_side if layout == "bucketed" else _end_to_end
    return fill(longest_first, lengths, tokens_per_microbatch)


def _side_by_side(order: list[int], lengths: Sequence[int], budget: int) -> list[list[int]]:
    batches: list[list[int]] = []
    for index in order:
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= budget:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def _end_to_end(order: list[int], lengths: Sequence[int], budget: int) -> list[list[int]]:
    """First fit: into the first micro-batch with room."""
    batches: list[list[int]] = []
    room: list[int] = []
    for index in order:
        place = next((i for i, left in enumerate(room) if lengths[index] <= left), len(room))
        if place == len(room):
            batches.append([])
            room.append(budget)
        batches[place].append(index)
        room[place] -= lengths[index]
    return batches


def collate(policy: Policy, examples: Sequence[Example], layout: Layout) -> PackedBatch:
    """Lay out examples for one forward pass, on the policy's device.

    Raises ValueError if an example has an empty prompt, since nothing would predict its first
    response token, or if its placeholders are not as many as its pictures.
    """
    if layout not in get_args(Layout):
        raise ValueError(f"layout={layout!r}: choose {', '.join(get_args(Layout))}")
    if any(not example.prompt_tokens for example in examples):
        raise ValueError(
            "an example has an empty prompt: nothing predicts its first response token; "
            "put the begin-of-sequence token, or a document's first token, into the prompt"
        )
    if layout == "shared":
        return collate_shared(policy, examples)
    sequences = [
        policy.expand((*example.prompt_tokens, *example.response_tokens), example.images)
        for example in examples
    ]
    lengths = np.array([len(sequence.tokens) for sequence in sequences])
    packed = layout == "packed"
    starts = np.cumsum(lengths) - lengths if packed else np.arange(len(lengths)) * lengths.max()
    pad = policy.tokenizer.pad_token_id or 0
    tokens = _tokens_packed(sequences) if packed else _tokens_padded(sequences, lengths, pad)
    first = starts + lengths - np.array([len(example.response_tokens) for example in examples])
    source, targets, mask = response_targets(examples, first - 1, first)
    positions = _positions_packed(sequences) if packed else _positions_padded(sequences, lengths)
    device = policy.device
    return PackedBatch(
        tokens=torch.from_numpy(tokens).to(device),
        positions=positions.to(device),
        sequence_lengths=tuple(lengths.tolist()),
        packed=packed,
        features={name: value.to(device) for name, value in picture_features(sequences).items()},
        source_index=torch.from_numpy(source).to(device),
        targets=torch.from_numpy(targets).to(device),
        mask=torch.from_numpy(mask).to(device),
    )


def _tokens_packed(sequences: Sequence[Expanded]) -> np.ndarray:
    return np.concatenate([np.array(sequence.tokens) for sequence in sequences])[None]


def _tokens_padded(sequences: Sequence[Expanded], lengths: np.ndarray, pad: int) -> np.ndarray:
    real = np.arange(lengths.max()) < lengths[:, None]
    tokens = np.full(real.shape, pad)
    tokens[real] = np.concatenate([np.array(sequence.tokens) for sequence in sequences])
    return tokens


def _positions_packed(sequences: Sequence[Expanded]) -> Tensor:
    """[1, L] or [A, 1, L]."""
    return torch.cat([sequence.positions for sequence in sequences], -1).unsqueeze(-2)


def _positions_padded(sequences: Sequence[Expanded], lengths: np.ndarray) -> Tensor:
    """[B, L] or [A, B, L]. Padding counts on from 0: a restart would look like a packed row to
    transformers' mask functions.
    """
    axes = sequences[0].positions.shape[:-1]
    positions = torch.arange(lengths.max()).repeat(*axes, len(sequences), 1)
    for row, sequence in enumerate(sequences):
        positions[..., row, : len(sequence.tokens)] = sequence.positions
    return positions


def _check_budget(tokens_per_microbatch: int) -> None:
    if tokens_per_microbatch < 1:
        raise ValueError(
            f"tokens_per_microbatch={tokens_per_microbatch}: choose 1 or more, "
            "best several times the length of the longest sequence"
        )
