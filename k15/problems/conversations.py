"""Conversations to learn from: a prompt and a response, or messages of several turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from k15.config.errors import ConfigError
from k15.problems.pictures import TAG, in_order, placed
from k15.problems.pools import Entry, RecordPools, listed
from k15.problems.rows import Names, Row
from k15.problems.values import described
from k15.questions import Split, fingerprint, text_of
from k15.types import Message, Problem

ROLES = ("system", "user", "assistant")
PICTURE = "<image>"


class ConversationSource(RecordPools):
    """What an assistant is to say, from a file or data set (`RecordPools`).

    A record holds `messages`, or a prompt and a response and perhaps a system turn. What an
    assistant says is learned; where the first one begins, the prompt ends.
    """

    FIELDS: ClassVar[Names] = {
        "id": ("id",),
        "messages": ("messages",),
        "system": ("system",),
        "prompt": ("prompt", "question", "problem"),
        "response": ("response", "completion", "solution", "answer"),
        "images": ("images", "image"),
    }

    def __init__(self, path: str, *, domain: str = "open", **pools: Any) -> None:
        """Read all records; `pools` is of `RecordPools`."""
        super().__init__(path, domain=domain, **pools)

    def demonstration(
        self, index: int, split: Split = "train"
    ) -> tuple[Problem, tuple[Message, ...]]:
        """The first turns, and the others, which end with the assistant's last one."""
        problem = self.drawn(index, split)
        return problem, problem.meta["turns"]

    def entry(self, row: Row) -> Entry:
        """The turns up to the assistant's last one, checked."""
        id = row.identity(row.place)
        turns, names = self._turns(row)
        pictures = self.pictures(names, row, f"problem {id}")
        spoken = [place for place, turn in enumerate(turns) if turn["role"] == "assistant"]
        prompt, rest = turns[: spoken[0]], turns[spoken[0] : spoken[-1] + 1]
        asked = text_of([turn for turn in prompt if turn["role"] == "user"])
        question = fingerprint(asked, [one.digest() for one in pictures])
        meta = {"place": row.place, "turns": tuple(rest), "question": question}
        problem = Problem(
            id=id, prompt=self.messages(*prompt), answer=None, domain=self.domain, meta=meta
        )
        return Entry(problem, pictures, question)

    def _turns(self, row: Row) -> tuple[list[Message], list[Any]]:
        """The messages, pictures in their places, and these in their order."""
        if row.get("messages") is not None:
            turns, part = messages_of(row), "messages"
        else:
            turns, part = pair_of(row), "prompt"
        try:
            return illustrated(turns, listed(row.get("images")))
        except ConfigError as error:
            raise row.wrong(part, str(error)) from error


def pair_of(row: Row) -> list[Message]:
    """A prompt with its response, which may be a number."""
    turns = [("user", row.text("prompt")), ("assistant", row.answer("response"))]
    if row.get("system") is not None:
        turns.insert(0, ("system", row.text("system")))
    return [{"role": role, "content": text} for role, text in turns]


def messages_of(row: Row) -> list[Message]:
    """The messages with their contents as text, in which `<image>` is the place of a picture.

    Raises ValueError with place, message and way out unless a user asks before an assistant speaks,
    every role is known, and every turn says something.
    """
    given = row.get("messages")
    if not isinstance(given, list):
        raise row.fault("messages", "must be a list of messages")
    turns = [message(row, number, one) for number, one in enumerate(given, 1)]
    roles = [turn["role"] for turn in turns]
    if "system" in roles[1:]:
        number = roles.index("system", 1) + 1
        raise row.wrong("messages", f"message {number} is a system turn; only the first may be one")
    if "assistant" not in roles:
        raise row.wrong(
            "messages", f"no turn of an assistant, so there is nothing to learn (roles: {roles})"
        )
    if "user" not in roles[: roles.index("assistant")]:
        raise row.wrong("messages", "the assistant speaks before a user has asked")
    return turns


def message(row: Row, number: int, given: Any) -> Message:
    """One message; raises ValueError if it has no known role or says nothing."""
    if not isinstance(given, Mapping) or not {"role", "content"} <= given.keys():
        raise row.wrong(
            "messages",
            f"message {number} must have a role and a content, got {described(given)}",
        )
    role, text = given["role"], flat(given["content"])
    if role not in ROLES:
        raise row.wrong(
            "messages", f"message {number} has the role {role!r}; roles are {', '.join(ROLES)}"
        )
    if text is None:
        raise row.wrong(
            "messages",
            f"message {number} ({role}): its content must be text, or a list of "
            '{"type": "text", "text": ...} and {"type": "image"}, got '
            f"{described(given['content'])}",
        )
    if not text.strip():
        raise row.wrong("messages", f"message {number} ({role}) is empty")
    if role != "user" and PICTURE in text:
        raise row.wrong("messages", f"message {number} ({role}) holds {PICTURE}; users show them")
    return {"role": role, "content": row.clean("messages", text.strip())}


def flat(content: Any) -> str | None:
    """A content as one text; None if it is none."""
    if isinstance(content, str) or not isinstance(content, list):
        return content if isinstance(content, str) else None
    parts = [
        PICTURE if kind == "image" else part.get("text") if kind == "text" else None
        for part in content
        if isinstance(part, Mapping)
        for kind in [part.get("type")]
    ]
    texts = [part for part in parts if isinstance(part, str)]
    return "".join(texts) if len(texts) == len(content) else None


def illustrated(turns: Sequence[Message], given: Sequence[Any]) -> tuple[list[Message], list[Any]]:
    """The turns with a place for each picture, and the pictures in their order; without any place,
    all come first in what the first user says.

    Raises ValueError if there are other than one place per picture.
    """
    users = [place for place, turn in enumerate(turns) if turn["role"] == "user"]
    texts = [turns[place]["content"] for place in users]
    pictures = in_order("\n".join(texts), given)
    numbers = [len([*TAG.finditer(text)]) for text in texts]
    if not any(numbers):
        numbers[0] = len(pictures)
    if sum(numbers) != len(pictures):
        raise ConfigError(
            f"{sum(numbers)} places for pictures ({PICTURE}), {len(pictures)} of them"
        )
    contents = dict(zip(users, map(placed, texts, numbers), strict=True))
    written: list[Message] = [
        {**turn, "content": contents.get(place, turn["content"])}
        for place, turn in enumerate(turns)
    ]
    return written, pictures
