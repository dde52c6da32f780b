"""Conversations as training sequences: what an assistant says is in the loss, all else is not.

    system  user │ assistant  user  assistant          turns
    prompt tokens│ ■■■■■■■■■■ □□□□ ■■■■■■■■■■           response tokens, ■ in the loss

Each answer is encoded behind the prompt that the model would answer at that place, and ends as the
chat template ends a turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from k15.models.policy import Policy
from k15.questions import parts_of
from k15.types import Example, Message, Problem


def examples_of(
    policy: Policy, problem: Problem, response: str | Sequence[Message]
) -> list[Example]:
    """The sequences of a prompt with the text that answers it, or with the turns that follow it.

    That is one, unless a chat template writes earlier turns in another way once later ones follow
    them (Qwen3 leaves their thoughts out, LLaVA's has no end of a turn), or a later turn shows
    pictures: from there on a further sequence begins, with all that came before in its prompt.
    """
    if isinstance(response, str):
        response = [{"role": "assistant", "content": response}]
    found: list[Example] = []
    for place, turn in enumerate(response):
        if turn["role"] == "assistant":
            asked = up_to(problem, response[:place])
            answer = policy.encode_response(turn["content"])
            prompt = policy.encode(asked)
            if found and (longer := continued(found[-1], asked, prompt, answer)):
                found[-1] = longer
            else:
                found.append(
                    Example(prompt_tokens=prompt, response_tokens=answer, images=asked.images)
                )
    return found


def up_to(problem: Problem, turns: Sequence[Message]) -> Problem:
    """The problem with more turns in its prompt, and those of its pictures that are shown there."""
    prompt = (*problem.prompt, *turns)
    shown = sum(part["type"] == "image" for message in prompt for part in parts_of(message))
    images = problem.images if shown == len(problem.images) else problem.images[:shown]
    return replace(problem, prompt=prompt, images=images)


def continued(
    example: Example, problem: Problem, prompt: tuple[int, ...], answer: tuple[int, ...]
) -> Example | None:
    """An example with one more answer behind its last one; None if it does not lead up to it."""
    before = (*example.prompt_tokens, *example.response_tokens)
    if prompt[: len(before)] != before or len(problem.images) != len(example.images):
        return None
    between = prompt[len(before) :]
    mask = example.loss_mask or (True,) * len(example.response_tokens)
    return replace(
        example,
        response_tokens=(*example.response_tokens, *between, *answer),
        loss_mask=(*mask, *(False for _ in between), *(True for _ in answer)),
    )
