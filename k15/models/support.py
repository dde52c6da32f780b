"""What k15 can do with a kind of model, told from its class and configuration alone.

The engine decodes under a slot cache, with another attention function and a mask of its own; the
layouts rely on causal attention, packed ones on masks that restart with the positions, shared ones
on plain attention that can be exchanged. A model that does not offer this would give other numbers
without a word, so it is refused by name. docs/models.md is the table of what was compared with the
model's own forward, `tests/models/test_table.py` the comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from transformers import AutoModelForCausalLM, AutoModelForImageTextToText, PretrainedConfig

from k15.config.errors import ConfigError

Part = Literal["engine", "bucketed", "packed", "shared"]
ATTENTION = {"full_attention", "sliding_attention"}
WITHOUT_DECODER_FLAG = {"gpt_neox", "gpt_neox_japanese"}
"""Decoders whose configuration says is_decoder=false all the same."""
OWN_ATTENTION = {
    "biogpt", "codegen", "gpt_neox_japanese", "gptj", "stablelm", "xglm"
}  # fmt: skip
"""They compute attention themselves, and do so under a mask and positions of the engine's."""
OWN_POSITIONS = {"afmoe", "gpt_oss", "opt"}
"""Their masks, or their positions, do not restart with the positions they are given."""
NOT_CAUSAL_ENOUGH = {"cpmant", "git", "inkling_text", "xlnet", "xlstm"}
"""Padding on the right changes their numbers."""
HEADS_ONLY = {"llama4_text", "modernbert-decoder", "prophetnet"}
"""Layers stand between their base model and the output embedding, or it is the model itself."""
WITH_PICTURES = {
    "idefics3", "internvl", "kimi_k25", "llava", "llava_next", "llava_onevision", "mistral3",
    "qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "smolvlm",
}  # fmt: skip
"""Classes whose pictures were compared with transformers' own processor."""
GROWING_ROPE = {"dynamic", "longrope"}
"""Rotary positions whose frequencies change for a whole batch where its longest sequence has more
than `original_max_position_embeddings` tokens.
"""
ONE_PICTURE = {"llava_onevision"}
"""They lay out a picture in another way where it is not the only one."""
LENGTHS = ("max_position_embeddings", "max_seq_len", "seq_length")


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """Why each part cannot be used with a model; empty where it can."""

    engine: str
    bucketed: str
    packed: str
    shared: str


def support(model_class: Any, config: PretrainedConfig, attention: str | None = None) -> Support:
    """Of a transformers model class, with `attention` for its `attn_implementation`."""
    text = config.get_text_config()
    if attention is None:
        attention = "sdpa" if model_class._supports_sdpa else "eager"
    never = no_decoder(text) or unknown_pictures(config)
    if never:
        return Support(engine=never, bucketed=never, packed=never, shared=never)
    memory = keeps_a_state(model_class, text)
    return Support(
        engine=memory or no_slot_cache(model_class, text, attention),
        bucketed=padding_matters(text),
        packed=memory or no_packed_mask(model_class, text),
        shared=memory or no_plain_attention(model_class, text, attention),
    )


def no_decoder(text: PretrainedConfig) -> str:
    """Encoders attend to both sides, so that no token is predicted."""
    flagged = text.model_type not in WITHOUT_DECODER_FLAG
    encoder = flagged and getattr(text, "is_decoder", True) is False
    if encoder or getattr(text, "is_encoder_decoder", False):
        return "it is no decoder: its tokens attend to those behind them"
    return ""


def unknown_pictures(config: PretrainedConfig) -> str:
    """Vision-language classes lay out pictures each in its own way."""
    if hasattr(config, "vision_config") and config.model_type not in WITH_PICTURES:
        return f"of vision-language models k15 knows {', '.join(sorted(WITH_PICTURES))}"
    return ""


def keeps_a_state(model_class: Any, text: PretrainedConfig) -> str:
    """Layers that carry something else than keys and values from token to token."""
    if other := set(getattr(text, "layer_types", None) or ()) - ATTENTION:
        return f"it has layers of type {sorted(other)}"
    return "it keeps a state beside keys and values" if model_class._is_stateful else ""


def padding_matters(text: PretrainedConfig) -> str:
    """Where padding on the right is not out of sight, or hidden states cannot be asked for."""
    if text.model_type in HEADS_ONLY:
        return "its logits are more than its output embedding of hidden states"
    return "padding behind a text changes it" if text.model_type in NOT_CAUSAL_ENOUGH else ""


def no_slot_cache(model_class: Any, text: PretrainedConfig, attention: str) -> str:
    """A decode step sees the slots through a mask over all positions, in windows where the
    attention is told so.
    """
    kind, window = text.model_type, getattr(text, "sliding_window", None)
    if not model_class._supports_attention_backend and kind not in OWN_ATTENTION:
        return "its attention is its own, not one that transformers lets exchange"
    if getattr(text, "max_position_embeddings", None) is None:
        return "its configuration does not say max_position_embeddings, the length of its context"
    if padding_matters(text) or kind == "doge":
        return "its attention makes a mask of its own"
    narrow = window is not None and window < text.max_position_embeddings
    if narrow and (attention == "eager" or kind == "phimoe"):
        return (
            f"its attention ({attention}) is not told of the sliding window of {window} tokens, "
            f"shorter than the context of {text.max_position_embeddings}"
        )
    return ""


def no_packed_mask(model_class: Any, text: PretrainedConfig) -> str:
    """transformers' mask functions keep sequences apart where the positions restart."""
    if padding_matters(text) or text.model_type in OWN_POSITIONS:
        return "its attention does not keep sequences apart where positions restart"
    if not model_class._supports_attention_backend:
        return "its attention is its own, not one that transformers lets exchange"
    return ""


def no_plain_attention(model_class: Any, text: PretrainedConfig, attention: str) -> str:
    """Where attention is more than softmax over all tokens before."""
    kinds = set(getattr(text, "layer_types", None) or ())
    window = not kinds and getattr(text, "sliding_window", None) is not None
    if not model_class._supports_attention_backend or padding_matters(text):
        return "its attention is its own, not one that transformers lets exchange"
    if text.model_type == "doge":
        return "its attention makes a mask of its own"
    if attention != "sdpa":
        return f"its attention is {attention}, and prompts are shared under sdpa"
    if window or kinds - {"full_attention"}:
        return "it attends in sliding windows"
    return ""


def context_of(path: str, config: PretrainedConfig) -> int:
    """Longest sequence in tokens for which a model's numbers do not depend on the others in the
    batch; raises ValueError if the configuration does not say.
    """
    text = config.get_text_config()
    lengths = [length for name in LENGTHS if (length := getattr(text, name, None))]
    if not lengths:
        reason = "its configuration does not say how long a text may be"
        raise refusal(path, config, reason, "set max_position_embeddings in its config.json")
    rope = getattr(text, "rope_parameters", None) or {}
    if rope.get("rope_type") in GROWING_ROPE and rope.get("original_max_position_embeddings"):
        lengths.append(rope["original_max_position_embeddings"])
        return min(lengths)
    return lengths[0]


def check_trainable(path: str, config: PretrainedConfig, attention: str | None) -> None:
    """Raise ValueError, before any weight is loaded, if neither the engine nor a layout is right
    for a model.
    """
    vision = hasattr(config, "vision_config")
    loader: Any = AutoModelForImageTextToText if vision else AutoModelForCausalLM
    if type(config) not in loader._model_mapping:
        return  # transformers refuses it, and lists what it knows
    found = support(loader._model_mapping[type(config)], config, attention)
    if all(getattr(found, part) for part in get_args(Part)):
        raise refusal(path, config, found.bucketed)


def refusal(path: str, config: PretrainedConfig, reason: str, way_out: str = "") -> ConfigError:
    """What to raise about a kind of model."""
    kind = config.get_text_config().model_type
    way_out = way_out or "choose another model, docs/models.md lists those that are right"
    return ConfigError(f"model.path={path!r} is of the kind {kind}, and {reason}; {way_out}")
