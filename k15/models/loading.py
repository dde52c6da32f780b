"""Policies by name: what a Hugging Face folder or name holds, checked before weights are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    GenerationConfig,
)
from transformers.utils import logging as transformers_logging

from k15.config.errors import ConfigError, one_line
from k15.models.chat import template_of
from k15.models.compiled import prepare_layers
from k15.models.lora import Lora, refuse_adapter
from k15.models.policy import Policy
from k15.models.rope import extend
from k15.models.streamed import without_weights
from k15.models.support import check_trainable
from k15.progress import waiting_for

DTYPES = ("float32", "bfloat16", "float16", "auto")

transformers_logging.disable_progress_bar()  # per-shard bars say nothing on one-shard folders


def load_policy(
    path: str | None,
    dtype: str = "float32",
    attention: str | None = None,
    fast_norms: bool = True,
    trust_remote_code: bool = False,
    lora: Lora | None = None,
    chat_template: str | None = None,
    gradient_checkpointing: bool = False,
    compile: bool = False,
    streamed: bool = False,
    extended_context: int | None = None,
    rope_base: float | None = None,
) -> Policy:
    """Load a text or vision-language model by Hugging Face name or folder.

    `attention` is transformers' `attn_implementation`; with flash_attention_2 on a GPU sequences
    are packed end to end for training. `dtype` is that of the weights, "auto" the one they were
    saved in. `fast_norms` is that of `Policy`. Code that comes with the weights runs only with
    `trust_remote_code`. With `lora` that has a rank, only its adapter is trained. `chat_template`
    is a file with one in place of the model's own, or "plain": the built-in one.
    `gradient_checkpointing`, `compile` and `streamed` are those of the modules of `k15.models` by
    these names; `extended_context` and `rope_base` are of `k15.models.rope`.

    Raises ValueError if no path is given, the folder is not there, cannot be read or holds no
    tokenizer, and as `k15.models.vocabulary` does.
    """
    lora = None if lora is None or lora.rank is None else lora
    if path is None:
        raise ConfigError("model.path=null: give a Hugging Face folder or name")
    if path.startswith((".", "/", "~")) and not Path(path).is_dir():
        raise ConfigError(f"model.path={path!r}: no such folder")
    refuse_adapter(path)
    if dtype not in DTYPES:
        raise ConfigError(f"model.dtype={dtype!r}: choose {', '.join(DTYPES)}")
    with refused(path, "config.json"):
        config = AutoConfig.from_pretrained(path, trust_remote_code=trust_remote_code)
    vision = hasattr(config, "vision_config")
    check_trainable(path, config, attention)
    processor = load_processor(path, vision, trust_remote_code)
    if chat_template is not None:
        processor.chat_template = template_of(chat_template)
    loader = AutoModelForImageTextToText if vision else AutoModelForCausalLM
    if lora is not None or gradient_checkpointing or compile:
        with torch.device("meta"):
            weightless = loader.from_config(config, trust_remote_code=trust_remote_code)
        if lora is not None:
            lora.check(path, weightless)
        prepare_layers(weightless, checkpointed=gradient_checkpointing, compiled=compile)
    how: dict[str, Any] = {"dtype": dtype, "attn_implementation": attention}
    how |= {"trust_remote_code": trust_remote_code}
    if streamed and lora is not None:
        raise ConfigError("model.streamed=true: with model.lora.rank leave it false")
    if streamed:
        model = without_weights(loader, path, config, dtype, attention)
    else:
        with refused(path, "weights"), waiting_for(f"the weights of {path}"):
            model = loader.from_pretrained(path, **how)
    with refused(path, "generation_config.json"):
        mend_generation_config(model.generation_config)
    extend(model, extended_context, rope_base)
    if lora is not None:
        lora.put_into(model)
    prepare_layers(model, checkpointed=gradient_checkpointing, compiled=compile)
    return Policy(model, processor, fast_norms=fast_norms)


def mend_generation_config(defaults: GenerationConfig) -> None:
    """Make a folder's defaults for sampling such that they can be saved again, after all training.

    A temperature without `do_sample` is meant for sampling. Raises ValueError for what else does
    not go together.
    """
    try:
        defaults.validate(strict=True)
    except ValueError:
        defaults.do_sample = True
        defaults.validate(strict=True)


@contextmanager
def refused(path: str, part: str) -> Iterator[None]:
    """What a broken folder makes transformers and safetensors raise, as one line."""
    try:
        yield
    except Exception as error:  # they have no common type
        way_out = "give a folder that save_pretrained wrote, or a name on the Hugging Face hub"
        if "trust_remote_code" in str(error):
            way_out = "read that code, then say model.trust_remote_code=true"
        raise ConfigError(
            f"model.path={path!r}: its {part} cannot be read ({one_line(error)}); {way_out}"
        ) from error


def load_processor(path: str, vision: bool, trust_remote_code: bool = False) -> Any:
    """The tokenizer, or for a vision-language model the processor, of a folder or name."""
    try:
        loader = AutoProcessor if vision else AutoTokenizer
        return loader.from_pretrained(path, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, TypeError, ImportError) as error:
        raise ConfigError(
            f"model.path={path!r}: no usable tokenizer or processor there ({error}); "
            "save it beside the weights with tokenizer.save_pretrained(folder)"
        ) from error
