"""What engines of a policy share: which requests they take, which tokens they never give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from k15.engines.protocol import Request

if TYPE_CHECKING:
    from k15.models.policy import Policy
    from k15.types import Example


def check_request(
    index: int, request: Request, length: int, policy: Policy, context: int | None = None
) -> None:
    """Raise ValueError if a request of `length` tokens, as the model sees them, cannot be answered
    within `context` tokens; None: those of the policy.
    """
    new, context = request.max_new_tokens, context or policy.context
    if new < 1:
        raise ValueError(f"request {index}: max_new_tokens={new}, but it must be at least 1")
    if not request.tokens or request.tokens[-1] in policy.placeholder_ids:
        raise ValueError(f"request {index}: a prompt must end in a text token")
    if length + new > context:
        raise ValueError(
            f"request {index}: {length} prompt tokens + max_new_tokens={new} = {length + new} "
            f"exceed the model's context of {context}; lower max_new_tokens, leave out longer "
            "prompts or choose a model with a longer context"
        )


def checked(
    requests: Iterable[Request | None], policy: Policy, context: int
) -> Iterator[Request | None]:
    """The requests, each as it is pulled, those of a sequence before any work; raises ValueError
    as `check_request` does.
    """

    def one_by_one() -> Iterator[Request | None]:
        index = 0
        for request in requests:
            if request is not None:
                length = policy.length(request.tokens, request.images)
                check_request(index, request, length, policy, context)
                index += 1
            yield request

    return iter(list(one_by_one())) if isinstance(requests, Sequence) else one_by_one()


def check_example(index: int, example: Example, length: int, context: int) -> None:
    """Raise ValueError if an example of `length` tokens, as the model sees them, cannot be scored
    within `context` tokens.
    """
    if not example.prompt_tokens or not example.response_tokens:
        raise ValueError(f"example {index}: prompt and response need a token each")
    if length > context:
        raise ValueError(
            f"example {index}: {length} tokens exceed the model's context of {context}; leave out "
            "longer ones or choose a model with a longer context"
        )


def forbidden_tokens(policy: Policy) -> list[int]:
    """Those that stand for pictures, and padded rows of the vocabulary without a token."""
    rows = policy.model.config.get_text_config().vocab_size
    return sorted({*policy.placeholder_ids, *range(len(policy.tokenizer), rows)})
