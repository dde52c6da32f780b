"""What of a conversation reaches the model: contents in the form that a chat template writes, and
the tags of a response that are read as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from k15.config.errors import one_line

QUESTION = "17+25=?"


@dataclass(frozen=True, slots=True)
class Forms:
    """Which forms of a text content a chat template writes."""

    strings: bool
    """"17+25=?" itself."""
    parts: bool
    """[{"type": "text", "text": "17+25=?"}]."""
    fault: str = ""
    """Why it writes neither; empty if it only leaves the question out."""

    def fitted(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The message with its content in a form that is written; one with pictures as it is."""
        content = message["content"]
        if isinstance(content, str):
            text = None if self.strings else content
            return {**message, "content": content if text is None else as_parts(text)}
        only_text = all(part["type"] == "text" for part in content)
        if self.parts or not only_text:
            return dict(message)
        return {**message, "content": "".join(part["text"] for part in content)}


def as_parts(text: str) -> list[dict[str, str]]:
    """A text as a list of content parts."""
    return [{"type": "text", "text": text}]


def forms(processor: Any) -> Forms:
    """Try a question in both forms: some templates loop over parts only and lose a string without a
    word, some write the list as Python does.
    """
    string, fault = _written(processor, QUESTION)
    parts, other = _written(processor, as_parts(QUESTION))
    strings = QUESTION in string
    good = QUESTION in parts and (parts == string if strings else "'text'" not in parts)
    return Forms(strings, good, fault or other)


def _written(processor: Any, content: Any) -> tuple[str, str]:
    """A question in the template's words, or none and what is wrong."""
    question = [{"role": "user", "content": content}]
    try:
        text = processor.apply_chat_template(question, tokenize=False, add_generation_prompt=True)
    except (TemplateError, TypeError, AttributeError) as error:
        return "", one_line(error)
    return text, ""


def silent_tokens(tokenizer: Any) -> frozenset[int]:
    """Special tokens that are no part of a response's text.

    Pairs of tags such as <think> and </think> are text, also where they are special tokens: what
    reads the response looks for them.
    """
    added = tokenizer.added_tokens_decoder.items()
    special = {id: token.content for id, token in added if token.special}
    special |= dict(zip(tokenizer.all_special_ids, tokenizer.all_special_tokens, strict=True))
    named = {*_named(tokenizer)}
    names = {name for name in special.values() if name not in named}
    opened = {name.replace("/", "", 1) for name in names if "/" in name} & names
    tags = {name for name in names if name.replace("/", "", 1) in opened}
    return frozenset(id for id, name in special.items() if name not in tags)


def _named(tokenizer: Any) -> Sequence[str]:
    """The tokens with a role of their own: <s> and </s> begin and end a text and are no tags."""
    roles = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token")
    return [token for role in roles if (token := getattr(tokenizer, role, None))]
