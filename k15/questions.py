"""When two problems ask the same question, and on which side of a split a question falls."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from k15.types import Message, Problem

if TYPE_CHECKING:
    from PIL.Image import Image

Split = Literal["train", "held_out"]


def fingerprint(text: str, pictures: Iterable[bytes] = ()) -> str:
    """64 hex digits, the same for the same question: its words, however they are spaced, and its
    pictures in their order, each as the digest of what it holds.
    """
    words = " ".join(text.split()).encode(errors="surrogatepass")
    parts = [hashlib.sha256(words).digest(), *pictures]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def fingerprint_of(problem: Problem) -> str:
    """A problem's question, as its source knows it (`meta["question"]`, without what is asked of
    the answer's form), else as it stands. Text and picture of one question ask the same
    (`meta["twin"]`).
    """
    if "question" in problem.meta:
        return str(problem.meta["question"])
    if "twin" in problem.meta:
        return fingerprint(str(problem.meta["twin"]))
    return fingerprint(text_of(problem.prompt), map(pixels_digest, problem.images))


def pixels_digest(image: Image) -> bytes:
    """What tells a picture from others, by its pixels."""
    return hashlib.sha256(repr((image.mode, image.size)).encode() + image.tobytes()).digest()


def text_of(prompt: Sequence[Message]) -> str:
    """The text of all messages, without the places of pictures."""
    return "\n".join(
        "".join(part.get("text", "") for part in parts_of(message)) for message in prompt
    )


def parts_of(message: Message) -> Sequence[Mapping[str, str]]:
    """The content of a message as a list of parts."""
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def under_picture(text: str) -> list[dict[str, str]]:
    """The content of a message that shows a picture, with a text behind it."""
    return [{"type": "image"}, {"type": "text", "text": text}]


def instructed(problem: Problem, instruction: str) -> Problem:
    """The problem with an instruction behind its last message."""
    if not instruction:
        return problem
    *before, last = problem.prompt
    content = last["content"]
    if isinstance(content, str):
        content = f"{content}\n{instruction}"
    else:
        content = [*content, {"type": "text", "text": f"\n{instruction}"}]
    return replace(problem, prompt=(*before, {**last, "content": content}))


def is_held_out(fingerprint: str, one_in: int) -> bool:
    """Whether a question belongs to the held-out split, to which one in so many do.

    It goes by the question alone: no seed, no order and no other question changes it.
    """
    return int(fingerprint, 16) % one_in == 0
