"""What of a conversation reaches the model: contents in the form that a chat template writes, what
it writes around an assistant's words, and the tags of a response that are read as text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from k15.config.errors import ConfigError, one_line
from k15.questions import text_of
from k15.types import Message

QUESTION, ANSWER = "17+25=?", "k15"
SYSTEM = "You are helpful."
PLAIN = (
    "{% if bos_token %}{{ bos_token }}{% endif %}{% for message in messages %}"
    "{{ message.role | capitalize }}: {{ message.content }}"
    "{% if message.role == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""The built-in chat template, for a text model that comes with none."""


@dataclass(frozen=True, slots=True)
class Forms:
    """Which forms of a text content a chat template writes."""

    strings: bool
    """"17+25=?" itself."""
    parts: bool
    """[{"type": "text", "text": "17+25=?"}]."""
    fault: str = ""
    """Why it writes neither; empty if it only leaves the question out."""
    system: bool = False
    """Whether it writes a question behind a system turn only."""

    def example(self, *contents: str) -> list[dict[str, Any]]:
        """A conversation that it writes: what a user and an assistant say in turn."""
        first = [{"role": "system", "content": SYSTEM}] if self.system else []
        said = zip(("user", "assistant") * len(contents), contents, strict=False)
        turns = [*first, *({"role": role, "content": content} for role, content in said)]
        return [self.fitted(turn) for turn in turns]

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
    word, some write the list as Python does. If neither is written, try behind a system turn.
    """
    alone, behind = _forms(processor, False), _forms(processor, True)
    return alone if alone.strings or alone.parts or not (behind.strings or behind.parts) else behind


def _forms(processor: Any, system: bool) -> Forms:
    string, fault = _written(processor, str, system)
    parts, other = _written(processor, as_parts, system)
    strings = QUESTION in string
    good = QUESTION in parts and (parts == string if strings else "'text'" not in parts)
    return Forms(strings, good, fault or other, system)


def _written(processor: Any, form: Callable[[str], Any], system: bool) -> tuple[str, str]:
    """A question in the template's words, or none and what is wrong."""
    turns = [{"role": "user", "content": form(QUESTION)}]
    if system:
        turns.insert(0, {"role": "system", "content": form(SYSTEM)})
    try:
        text = processor.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    except (TemplateError, TypeError, AttributeError) as error:
        return "", one_line(error)
    return text, ""


def written(processor: Any, forms: Forms, turns: Sequence[Message], whose: str) -> str:
    """A conversation as the chat template writes it, up to where an assistant's words begin.

    Raises ValueError if the template refuses it or leaves its system turn out; `whose` it is, a
    person is told.
    """
    fitted = [forms.fitted(turn) for turn in turns]
    way_out = "model.chat_template=<file> gives another template"
    first = turns[0] if turns[0]["role"] == "system" else None
    if forms.system and first is None:
        way_out = f"data.system=<text> puts a system turn in front, or {way_out}"
    elif first is not None:
        way_out = f"leave the system turn out (its own, or that of data.system), or {way_out}"
    try:
        text = processor.apply_chat_template(fitted, tokenize=False, add_generation_prompt=True)
    except (TemplateError, TypeError) as error:
        raise ConfigError(
            f"{whose}: the chat template refuses its messages ({one_line(error)}); {way_out}"
        ) from error
    if first is not None and text_of([first]).strip() not in text:
        raise ConfigError(f"{whose}: the chat template leaves its system turn out; {way_out}")
    return text


@dataclass(frozen=True, slots=True)
class Turn:
    """What a chat template writes around an assistant's words."""

    before: str = ""
    """From the end of a question to where they begin."""
    start: str = ""
    """White space in front of them that is theirs: LLaVA's prompt ends in "ASSISTANT:"."""
    end: str = ""
    """Behind them, up to the token that ends the turn, such as `<|im_end|>`; empty where the
    template writes no such token.
    """


def assistant_turn(processor: Any, tokenizer: Any, forms: Forms) -> Turn:
    """Try an answer; where the template takes questions only, nothing is known."""
    asked, answered = forms.example(QUESTION), forms.example(QUESTION, ANSWER)
    prompt = processor.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    before = prompt.rpartition(QUESTION)[2]
    try:
        text = processor.apply_chat_template(answered, tokenize=False)
    except (TemplateError, TypeError):
        return Turn(before)
    ahead, _, behind = text.rpartition(ANSWER)
    start = ahead.removeprefix(prompt) if ahead.startswith(prompt) else ""
    added = [token.content for token in tokenizer.added_tokens_decoder.values()]
    ends = [(behind.index(token), -len(token), token) for token in added if token in behind]
    place, _, token = min(ends, default=(0, 0, ""))
    return Turn(before, start if start.isspace() else "", behind[:place] + token)


def following(tokenizer: Any, before: str, text: str) -> list[int]:
    """Token ids of a text that stands behind another: where a text begins, some tokenizers write
    the same word with a space.
    """
    if not before:
        return tokenizer(text, add_special_tokens=False)["input_ids"]
    ahead, both = tokenizer([before, before + text], add_special_tokens=False)["input_ids"]
    if both[: len(ahead)] == ahead:
        return both[len(ahead) :]
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def picture_written(processor: Any, token: str) -> str:
    """What the chat template writes for a picture: what a question with one has more than the same
    without. Templates that number pictures, or none, leave the placeholder `token` alone.
    """
    asked = as_parts(QUESTION)
    pictured = [{"type": "image"}, *asked]
    with_one, without = (
        processor.apply_chat_template([{"role": "user", "content": parts}], tokenize=False)
        for parts in (pictured, asked)
    )
    ahead, _, behind = without.partition(QUESTION)
    written = with_one.removeprefix(ahead).removesuffix(QUESTION + behind).strip()
    return written if written.count(token) == 1 and QUESTION not in written else token


def template_of(choice: str) -> str:
    """The chat template in a file, or the built-in plain one."""
    if choice == "plain":
        return PLAIN
    try:
        return Path(choice).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"model.chat_template={choice!r}: cannot be read ({one_line(error)}); give a file with "
            "a Jinja template, or plain"
        ) from error


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
