"""The tiny default policy: real transformers classes, small enough to learn on a laptop in minutes.

Text is a Qwen3 of 115k parameters; with pictures it becomes a Qwen3-VL whose language model takes
over the text weights, so that what was learnt on text carries over (k1.5 §2.5: language first, then
vision, then both).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessor,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

from k15.models.loading import load_policy
from k15.models.policy import Policy

PAD, EOS, IMAGE = "<pad>", "<eos>", "<|image_pad|>"
VISION_START, VISION_END = "<|vision_start|>", "<|vision_end|>"
SPECIAL = (PAD, EOS, VISION_START, VISION_END, IMAGE)
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}"
    + VISION_START
    + IMAGE
    + VISION_END
    + "{% else %}{{ part.text }}"
    "{% endif %}{% endfor %}{% endif %}"
    "{% if message.role == 'assistant' %}" + EOS + "{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}GENERATION_PROMPT{% endif %}"
)
ROPE_THETA = 10_000.0
PATCH = 14


def tiny_policy(
    path: str | None = None,
    *,
    words: Sequence[str] = (),
    modality: Literal["text", "image"] = "text",
    hidden_size: int = 64,
    layers: int = 2,
    intermediate_size: int = 192,
    head_dim: int = 32,
    context: int = 512,
    initializer_range: float = 0.05,
    extended_context: int | None = None,
    rope_base: float | None = None,
) -> Policy:
    """The built-in policy, fresh, or with the weights of an earlier stage's folder.

    `words` is the whole vocabulary of the tokenizer; without words it is byte-level and reads
    any text. With `modality="image"` a folder that holds a text policy gets eyes: a Qwen3-VL
    with the same language weights and a fresh vision tower. Sizes count for a fresh policy only;
    `extended_context` and `rope_base` (`k15.models.rope`) for all.
    """
    if path is not None:
        saved = load_policy(path, extended_context=extended_context, rope_base=rope_base)
        check_words(saved, words)
        text = saved.model.config.model_type == "qwen3"
        return add_vision(saved) if modality == "image" and text else saved
    tokenizer = word_tokenizer(words) if words else byte_tokenizer()
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden_size,
        num_hidden_layers=layers,
        num_attention_heads=hidden_size // head_dim,
        num_key_value_heads=hidden_size // head_dim,
        head_dim=head_dim,
        intermediate_size=intermediate_size,
        max_position_embeddings=extended_context or context,
        tie_word_embeddings=True,
        initializer_range=initializer_range,
        rope_parameters={"rope_type": "default", "rope_theta": rope_base or ROPE_THETA},
        **_special_ids(tokenizer),
    )
    text = Policy(Qwen3ForCausalLM(config), tokenizer)
    return text if modality == "text" else add_vision(text)


def check_words(policy: Policy, words: Sequence[str]) -> None:
    """Raise ValueError if a saved policy lacks a word of the task: it would read padding
    instead.
    """
    missing = sorted(set(words) - policy.tokenizer.get_vocab().keys())
    if missing:
        raise ValueError(
            f"model.path={policy.model.config.name_or_path!r} was made for another task: it has no "
            f"word {missing[0]!r} ({len(missing)} are missing); train its earlier stages on this "
            "task"
        )


def add_vision(text: Policy, hidden_size: int = 64, layers: int = 2) -> Policy:
    """A Qwen3-VL that takes over the weights of a text policy; its vision tower is fresh."""
    config = vision_config(text.model.config, text.tokenizer, hidden_size, layers)
    model = Qwen3VLForConditionalGeneration(config)
    renamed = {
        name.replace("model.", "model.language_model.", 1): weight
        for name, weight in text.model.state_dict().items()
    }
    result = model.load_state_dict(renamed, strict=False)
    foreign = [name for name in result.missing_keys if not name.startswith("model.visual.")]
    assert not foreign and not result.unexpected_keys, (foreign, result.unexpected_keys)
    return Policy(model, vision_processor(text.tokenizer))


def vision_config(text: Any, tokenizer: Any, hidden_size: int, layers: int) -> Qwen3VLConfig:
    """A vision-language configuration around a text one: 14-pixel patches, no merging."""
    language = {
        key: value
        for key, value in text.to_dict().items()
        if key
        not in ("architectures", "model_type", "layer_types", "transformers_version", "dtype")
    }
    quarter = text.head_dim // 8
    language["rope_parameters"] = {
        "rope_type": "default",
        "rope_theta": text.rope_parameters["rope_theta"],
        "mrope_section": [text.head_dim // 2 - 2 * quarter, quarter, quarter],
        "mrope_interleaved": True,
    }
    vision = {
        "depth": layers,
        "hidden_size": hidden_size,
        "intermediate_size": 3 * hidden_size,
        "num_heads": 2,
        "patch_size": PATCH,
        "spatial_merge_size": 1,
        "temporal_patch_size": 2,
        "out_hidden_size": text.hidden_size,
        "num_position_embeddings": 64,
        "deepstack_visual_indexes": [],
        "initializer_range": text.initializer_range,
    }
    token_id = tokenizer.convert_tokens_to_ids
    return Qwen3VLConfig(
        text_config=language,
        vision_config=vision,
        image_token_id=token_id(IMAGE),
        video_token_id=token_id(IMAGE),  # no videos: the word list stays small
        vision_start_token_id=token_id(VISION_START),
        vision_end_token_id=token_id(VISION_END),
        tie_word_embeddings=True,
        **_special_ids(tokenizer),
    )


def vision_processor(tokenizer: PreTrainedTokenizerFast) -> Qwen3VLProcessor:
    """Tokenizer and image processor in one; pictures keep their size, in 14-pixel patches."""
    sizes = {"patch_size": PATCH, "merge_size": 1, "temporal_patch_size": 2}
    pixels = {"size": {"shortest_edge": PATCH * PATCH, "longest_edge": 256 * PATCH * PATCH}}
    return Qwen3VLProcessor(
        image_processor=Qwen2VLImageProcessor(**sizes, **pixels),
        tokenizer=tokenizer,
        video_processor=Qwen3VLVideoProcessor(**sizes),
        chat_template=tokenizer.chat_template,
    )


def word_tokenizer(words: Sequence[str]) -> PreTrainedTokenizerFast:
    """One token per word; a text is split at exactly these words, the longest first."""
    vocabulary = {token: index for index, token in enumerate((*SPECIAL, *words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=PAD))
    longest_first = sorted(words, key=len, reverse=True)
    pattern = "|".join(_escape(word) for word in longest_first)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    tokenizer.decoder = decoders.Fuse()
    return _wrap(tokenizer, generation_prompt="")


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level: 256 tokens and the special ones, no merges; reads any text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate((*SPECIAL, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return _wrap(tokenizer, generation_prompt="{{ '\\n' }}")


def _wrap(tokenizer: Tokenizer, generation_prompt: str) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=EOS,
        pad_token=PAD,
        additional_special_tokens=[VISION_START, VISION_END, IMAGE],
        chat_template=CHAT_TEMPLATE.replace("GENERATION_PROMPT", generation_prompt),
        clean_up_tokenization_spaces=False,
    )


def _special_ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    eos, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    return {"bos_token_id": None, "eos_token_id": eos, "pad_token_id": pad}


def _escape(word: str) -> str:
    return "".join(f"\\{char}" if not char.isalnum() and char != " " else char for char in word)
