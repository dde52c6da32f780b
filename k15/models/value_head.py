"""A value head: one number for a whole text, on any Hugging Face decoder (k1.5 §2.3.5).

The model is transformers' own sequence classification class with one label, whose `score` layer
reads the last token that is no padding. So any Hugging Face reward model loads here, and ours
loads there with `AutoModelForSequenceClassification`.

Legend: B texts, L longest of them in tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from k15.models.loading import load_processor
from k15.models.policy import Policy

HEADS = ("score", "classifier")  # transformers' names for the last layer


def add_value_head(policy: Policy) -> Policy:
    """Put a fresh value head, which scores 0, in the place of the output embedding.

    The backbone stays where it is and keeps its weights; `policy.save` writes a sequence
    classification folder from now on. A model that has a head already is left as it is. Raises
    ValueError for models that transformers cannot classify sequences with, such as
    vision-language models.
    """
    backbone, config = policy.model.base_model, policy.model.config
    if type(policy.model).__name__.endswith("ForSequenceClassification"):
        return policy
    config.num_labels = 1
    config.pad_token_id = pad_id(policy)
    try:
        with torch.device("meta"):
            model = AutoModelForSequenceClassification.from_config(config)
    except ValueError as error:
        raise ValueError(
            f"{type(policy.model).__name__} has no sequence classification class in transformers, "
            "so it cannot carry a value head; choose a text model, or stage=cot_reward_model"
        ) from error
    setattr(model, model.base_model_prefix, backbone)
    head = head_of(model).to_empty(device=policy.device).to(policy.model.dtype)
    for parameter in head.parameters():
        torch.nn.init.zeros_(parameter)
    config.architectures = [type(model).__name__]
    model.config, policy.model = config, model
    return policy


def load_value_policy(path: str, dtype: str = "float32") -> Policy:
    """Load a reward model by Hugging Face name or folder, with its tokenizer.

    Raises ValueError if there is no such folder, or if the model does not give one number.
    """
    if path.startswith((".", "/")) and not Path(path).is_dir():
        raise ValueError(f"reward model path={path!r}: no such folder")
    loader = AutoModelForSequenceClassification
    model, found = loader.from_pretrained(
        path, dtype=getattr(torch, dtype), output_loading_info=True, trust_remote_code=False
    )
    fresh = [name for name in found["missing_keys"] if name.split(".")[0] in HEADS]
    if model.config.num_labels != 1 or fresh:
        raise ValueError(
            f"reward model path={path!r} has {model.config.num_labels} labels and "
            f"{'no' if fresh else 'a'} trained head; it must give one trained number: take the "
            "model/ folder of a run of stage=reward_model"
        )
    policy = Policy(model, load_processor(path, vision=False))
    model.config.pad_token_id = pad_id(policy)
    return policy


def scores(policy: Policy, texts: Sequence[Sequence[int]]) -> Tensor:
    """[B] the value head's number for each text, given as token ids; gradients flow.

    Texts are padded on the right, where causal attention does not look.
    """
    longest = max(len(text) for text in texts)
    pad = policy.model.config.pad_token_id
    rows = [[*text, *[pad] * (longest - len(text))] for text in texts]
    tokens_BL = torch.tensor(rows, device=policy.device)
    return policy.model(input_ids=tokens_BL, use_cache=False).logits[:, 0].float()


def head_of(model: Any) -> torch.nn.Module:
    """The layer that gives the number."""
    return next(getattr(model, name) for name in HEADS if hasattr(model, name))


def pad_id(policy: Policy) -> int:
    """The padding token, or the end-of-sequence token for tokenizers without one."""
    pad = policy.tokenizer.pad_token_id
    return policy.stop_ids[0] if pad is None else pad
