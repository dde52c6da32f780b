"""What a layout is: how training sequences become what forward passes take.

    layout.plan(policy, examples, budget) ─► indices of each micro-batch
    layout.collate(policy, examples)      ─► a `PackedBatch`: inputs, and where each response token
                                             is predicted

All layouts have the same losses and gradients; k15/models/layouts/choice.py says when which is
used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Protocol

from k15.models.layouts.batch import PackedBatch
from k15.types import Example, Pack

if TYPE_CHECKING:
    from k15.models.policy import Expanded, Policy

Name = Literal["bucketed", "packed", "shared"]


class Layout(Protocol):
    """One way to lay sequences out."""

    name: Name

    def plan(
        self, policy: Policy, examples: Sequence[Example], tokens_per_microbatch: int
    ) -> list[list[int]]:
        """Indices of the examples of each micro-batch, every index once.

        A micro-batch takes at most `tokens_per_microbatch` tokens of the model's input, pictures
        expanded; an example longer than that is a micro-batch of its own. Raises ValueError if the
        budget is below 1.
        """
        ...

    def collate(self, policy: Policy, examples: Sequence[Example]) -> PackedBatch:
        """Lay out examples for one forward pass, on the policy's device.

        Raises ValueError if an example has an empty prompt, since nothing would predict its first
        response token, or if its placeholders are not as many as its pictures.
        """
        ...


def micro_batches(
    layout: Layout, policy: Policy, examples: Sequence[Example], tokens_per_microbatch: int
) -> Iterator[tuple[list[int], PackedBatch]]:
    """Indices of some examples and what the model takes for them, every example once.

    Raises ValueError as `plan` and `collate` do.
    """
    for chosen in layout.plan(policy, examples, tokens_per_microbatch):
        yield chosen, layout.collate(policy, [examples[index] for index in chosen])


def expanded_length(policy: Policy, example: Example) -> int:
    """Tokens of prompt and response with one placeholder per visual token: what plans count."""
    prompt = policy.length(example.prompt_tokens, example.images[: shown_first(policy, example)])
    return prompt + len(expanded_response(policy, example).response_tokens)


def expanded_response(policy: Policy, example: Example) -> Example:
    """The example with one placeholder per visual token in its response, none in the loss."""
    remaining = iter(example.images[shown_first(policy, example) :])
    place = policy.placeholders.id
    if place not in example.response_tokens:
        return example
    response: list[int] = []
    mask: list[bool] = []
    learned = example.loss_mask or (True,) * len(example.response_tokens)
    for token, counts in zip(example.response_tokens, learned, strict=True):
        seen = policy.placeholders.tokens_of(next(remaining)) if token == place else (token,)
        response += seen
        mask += [counts and token != place] * len(seen)
    return replace(example, response_tokens=tuple(response), loss_mask=tuple(mask))


def shown_first(policy: Policy, example: Example) -> int:
    """How many of its pictures are in the prompt; the others are in the response.

    Raises ValueError if the response has places for more than there are.
    """
    place = policy.placeholders.id
    later = 0 if place is None else example.response_tokens.count(place)
    if later > len(example.images):
        raise ValueError(
            f"response has {later} picture placeholders for {len(example.images)} pictures"
        )
    return len(example.images) - later


def expanded(policy: Policy, examples: Sequence[Example]) -> list[Expanded]:
    """Prompt and response of each, with one placeholder per visual token.

    Raises ValueError if an example has an empty prompt.
    """
    check_prompts(examples)
    return [
        policy.expand((*each.prompt_tokens, *each.response_tokens), each.images)
        for each in examples
    ]


def check_budget(tokens_per_microbatch: int) -> None:
    """Raise ValueError if no token fits."""
    if tokens_per_microbatch < 1:
        raise ValueError(
            f"tokens_per_microbatch={tokens_per_microbatch}: choose 1 or more, "
            "best several times the length of the longest sequence"
        )


def check_prompts(examples: Sequence[Example]) -> None:
    """Raise ValueError if an example has an empty prompt."""
    if any(not example.prompt_tokens for example in examples):
        raise ValueError(
            "an example has an empty prompt: nothing predicts its first response token; "
            "put the begin-of-sequence token, or a document's first token, into the prompt"
        )


def unpacked(examples: Sequence[Example | Pack]) -> list[Example]:
    """The sequences that attend to themselves alone."""
    return [
        one for item in examples for one in (item.examples if isinstance(item, Pack) else (item,))
    ]
