"""Whether a tokenizer, a chat template and the weights beside them fit together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from k15.config.errors import ConfigError
from k15.models.chat import Forms, forms
from k15.models.support import ONE_PICTURE
from k15.types import Problem


def rows_of(model: Any) -> int:
    """Token ids that the model's embedding knows: 0 up to here."""
    return model.get_input_embeddings().weight.shape[0]


def check_tokenizer(model: Any, tokenizer: Any) -> None:
    """Raise ValueError if there is no vocabulary, or if ordinary text may become a token that the
    embedding has no row for.

    Special tokens may lie beyond it, as Gemma 3's for pictures do in its text models.
    """
    added = tokenizer.added_tokens_decoder.items()
    special = {*tokenizer.all_special_ids, *(id for id, token in added if token.special)}
    names = {id: name for name, id in tokenizer.get_vocab().items() if id not in special}
    if not names:
        raise fault(
            model,
            "its tokenizer knows no tokens; save it beside the weights with "
            "tokenizer.save_pretrained(folder)",
        )
    highest, rows = max(names), rows_of(model)
    if highest >= rows:
        raise fault(
            model,
            f"its tokenizer has tokens up to {highest} ({names[highest]!r}), its embedding "
            f"has {rows} rows (vocab_size in config.json); take the tokenizer that these weights "
            f"were trained with, or add rows with model.resize_token_embeddings({highest + 1})",
        )


def lacks_words(tokenizer: Any, tokens: Sequence[int]) -> bool:
    """Whether a word of a text became the one token that stands for all that the vocabulary lacks,
    as a model of words has it; a byte-level one has tokens for any text.

    Padding is not asked for: chat models pad with tokens that their templates write.
    """
    model = getattr(getattr(tokenizer, "backend_tokenizer", None), "model", None)
    unknown = getattr(model, "unk_token", None)
    return unknown is not None and tokenizer.convert_tokens_to_ids(unknown) in tokens


def stop_ids(model: Any, tokenizer: Any, turn_end: str) -> tuple[int, ...]:
    """The tokens that end a response, the one first that a written response is closed by: the end
    of a turn where the chat template has one, else the tokenizer's.

    Raises ValueError naming the file and field of one that is no token of the embedding, and if
    there is none.
    """
    configured = getattr(model, "generation_config", None) or model.config
    listed = configured.eos_token_id
    named = [("eos_token in tokenizer_config.json", tokenizer.eos_token_id)]
    if turn_end:
        ids = tokenizer(turn_end, add_special_tokens=False)["input_ids"]
        named.insert(0, (f"the end of a turn in its chat template, {turn_end!r},", ids[-1]))
    for id in listed if isinstance(listed, list) else [listed]:
        named.append(("eos_token_id in generation_config.json or config.json", id))
    rows = rows_of(model)
    for field, id in named:
        if id is not None and (type(id) is not int or not 0 <= id < rows):
            raise fault(
                model,
                f"{field} is {id!r}, which is none of the {rows} tokens of its embedding; "
                "set it to the id of the token that ends a response",
            )
    ids = tuple(dict.fromkeys(id for _, id in named if id is not None))
    if not ids:
        raise fault(
            model,
            "no end-of-sequence token is configured; set eos_token in tokenizer_config.json "
            "or eos_token_id in generation_config.json",
        )
    return ids


def stop_everywhere(model: Any, stop_ids: Sequence[int]) -> None:
    """Let transformers and vLLM, too, end a response at these, when the folder is saved."""
    defaults = getattr(model, "generation_config", None)
    if defaults is None:
        return
    listed = defaults.eos_token_id
    if not {*stop_ids} <= {*(listed if isinstance(listed, list) else [listed])}:
        defaults.eos_token_id = list(stop_ids)


def check_template(model: Any, processor: Any, tokenizer: Any) -> Forms:
    """The forms of a text that the chat template writes; raises ValueError if there is none, or
    none that takes a question.

    A processor without one, as of folders that keep it beside the tokenizer, is given the
    tokenizer's.
    """
    if getattr(processor, "chat_template", None) is None:
        processor.chat_template = tokenizer.chat_template
    if processor.chat_template is None:
        raise fault(
            model,
            "its tokenizer has no chat template, so prompts cannot be written; give one with "
            "model.chat_template=<file> (model.chat_template=plain is a built-in one for text), "
            "add a chat_template.jinja to the folder, or take an instruction-tuned model",
        )
    found = forms(processor)
    if not (found.strings or found.parts):
        reason = found.fault or "it leaves the text of a user's message out"
        raise fault(
            model,
            f"its chat template cannot write a question ({reason}); mend "
            "chat_template.jinja in the folder, or give another with model.chat_template=<file>",
        )
    return found


def check_prompt(
    model: Any,
    tokenizer: Any,
    problem: Problem,
    tokens: Sequence[int],
    placeholders: Sequence[int],
) -> None:
    """Raise ValueError with the problem's id if its prompt, as tokens, has other than one of the
    `placeholders` per picture, or a token that the embedding has no row for.
    """
    contents = [message["content"] for message in problem.prompt]
    items = [item for content in contents if not isinstance(content, str) for item in content]
    places = sum(item["type"] == "image" for item in items)
    if places != len(problem.images):
        raise ConfigError(
            f"problem {problem.id}: its prompt has {places} places for pictures and it has "
            f"{len(problem.images)} of them; a place is an item {{'type': 'image'}} of the content"
        )
    if model.config.model_type in ONE_PICTURE and places > 1:
        raise ConfigError(
            f"problem {problem.id}: it has {places} pictures, and models of the kind "
            f"{model.config.model_type} lay out a picture in another way where it is not the only "
            "one; leave it out or choose another model"
        )
    for index, placeholder in enumerate(placeholders):  # the first one is what templates write
        expected = 0 if index else places
        if tokens.count(placeholder) != expected:
            raise ConfigError(
                f"problem {problem.id}: its prompt has the placeholder "
                f"{tokenizer.decode([placeholder])!r} ({placeholder}) {tokens.count(placeholder)} "
                f"times for {expected} pictures; the text itself must not hold it"
            )
    highest, rows = max(tokens, default=0), rows_of(model)
    if highest >= rows:
        raise ConfigError(
            f"problem {problem.id}: its prompt has the token {tokenizer.decode([highest])!r} "
            f"({highest}), and the embedding of model.path={model.config.name_or_path!r} has "
            f"{rows} rows"
        )


def fault(model: Any, what: str) -> ConfigError:
    """What to raise about a model's folder."""
    return ConfigError(f"model.path={model.config.name_or_path!r}: {what}")
