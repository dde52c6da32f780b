"""Eyes for a text model: a fresh vision tower and a projector in front of its embeddings (LLaVA,
2304.08485), so that the stages of k1.5 §2.5 can be gone through with language weights that exist.

    picture ─► SigLIP tower (fresh) ─► two-layer projector (fresh) ─► decoder and head of `path`
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerBase,
    SiglipImageProcessor,
    SiglipVisionConfig,
)

from k15.config.errors import ConfigError
from k15.models.chat import PLAIN
from k15.models.loading import load_policy
from k15.models.policy import Policy

IMAGE = "<image>"
FLATTENED = (
    "{% set said = namespace(turns=[]) %}{% for message in messages %}{% set text %}"
    "{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}" + IMAGE + "{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}{% endset %}"
    "{% set said.turns = said.turns + [{'role': message.role, 'content': text}] %}"
    "{% endfor %}{% set messages = said.turns %}"
)
"""In front of a text model's chat template: contents with pictures become strings."""


@dataclass(frozen=True, kw_only=True)
class Tower:
    """Sizes of a vision tower; pictures are scaled to `image_size` pixels square.

    Raises ConfigError if patches do not fill a picture, or heads the width.
    """

    hidden_size: int = 192
    intermediate_size: int = 768
    num_hidden_layers: int = 4
    num_attention_heads: int = 3
    image_size: int = 56
    patch_size: int = 14

    def __post_init__(self) -> None:
        for name, size in asdict(self).items():
            if size < 1:
                raise ConfigError(f"model.tower.{name}={size}: must be at least 1")
        for name, whole, part in (
            ("image_size", self.image_size, self.patch_size),
            ("hidden_size", self.hidden_size, self.num_attention_heads),
        ):
            if whole % part:
                raise ConfigError(f"model.tower.{name}={whole}: must be a multiple of {part}")

    @property
    def tokens(self) -> int:
        """Visual tokens of a picture."""
        return (self.image_size // self.patch_size) ** 2


def policy_with_eyes(path: str | None, *, tower: Tower, **loading: Any) -> Policy:
    """The text model of a Hugging Face folder or name with a fresh tower; a folder that has eyes
    already, as a stage leaves it, as it is.

    `loading` is that of `load_policy`. Raises as that does.
    """
    policy = load_policy(path, **loading)
    if hasattr(policy.model.config, "vision_config"):
        return policy
    return with_eyes(policy.model, policy.tokenizer, tower, fast_norms=policy.fast_norms)


def with_eyes(
    text: Any, tokenizer: PreTrainedTokenizerBase, tower: Tower, *, fast_norms: bool = True
) -> Policy:
    """A LLaVA around a text model's weights; the vocabulary gets a word for pictures."""
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [IMAGE]}, replace_extra_special_tokens=False
    )
    image_id = tokenizer.get_vocab()[IMAGE]
    if image_id >= text.get_input_embeddings().num_embeddings:
        text.resize_token_embeddings(image_id + 1)
    config = LlavaConfig(
        text_config=text.config,
        vision_config=SiglipVisionConfig(**asdict(tower)),
        image_token_index=image_id,
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        image_seq_length=tower.tokens,
        tie_word_embeddings=text.config.tie_word_embeddings,
    )
    model = LlavaForConditionalGeneration(config)
    model.model.language_model.load_state_dict(text.base_model.state_dict())
    model.lm_head.load_state_dict(text.get_output_embeddings().state_dict())
    model.generation_config = text.generation_config
    processor = _processor(tokenizer, tower)
    return Policy(model.train(text.training), processor, fast_norms=fast_norms)


def _processor(tokenizer: PreTrainedTokenizerBase, tower: Tower) -> LlavaProcessor:
    size = {"height": tower.image_size, "width": tower.image_size}
    template = FLATTENED + (tokenizer.chat_template or PLAIN)
    return LlavaProcessor(
        image_processor=SiglipImageProcessor(size=size),
        tokenizer=tokenizer,
        patch_size=tower.patch_size,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        image_token=IMAGE,
        chat_template=template,
    )
