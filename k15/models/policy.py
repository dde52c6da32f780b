"""A policy: a Hugging Face model with the tokenizer and processor that belong to it.

Everything above speaks token ids in which each picture is ONE placeholder token. `Policy.expand`
turns them into what the model's forward takes: a placeholder per visual token, picture features and
(multimodal) rotary positions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from k15.config.errors import ConfigError
from k15.models.chat import (
    assistant_turn,
    following,
    picture_written,
    silent_tokens,
    written,
)
from k15.models.lora import adapted, merged, merged_tensors, save_adapter
from k15.models.norms import write_out_norms
from k15.models.placeholders import Placeholders
from k15.models.sharded import class_of
from k15.models.support import Support, context_of, support
from k15.models.vocabulary import (
    check_prompt,
    check_template,
    check_tokenizer,
    rows_of,
    stop_everywhere,
    stop_ids,
)
from k15.types import Problem

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded:
    """One sequence as the model's forward takes it."""

    tokens: tuple[int, ...]
    """[L] with one placeholder per visual token."""
    positions: Tensor
    """[L], or [3, L] where the model has multimodal rotary positions (time, height, width)."""
    features: dict[str, Tensor] = field(default_factory=dict)
    """Pictures under forward's argument names, concatenated along dimension 0."""


class Policy:
    """A decoder or vision-language model, its tokenizer and its processor.

    `model` is any transformers causal or image-text-to-text model. `processor` is its tokenizer, or
    the multimodal processor that holds one. With `fast_norms` the model's RMSNorms take fewer steps
    on a CPU (k15/models/norms.py).
    """

    def __init__(self, model: Any, processor: Any, *, fast_norms: bool = True) -> None:
        self.model = model
        self.fast_norms = fast_norms
        if fast_norms:
            write_out_norms(model)
        self.processor = processor
        self.tokenizer = getattr(processor, "tokenizer", processor)
        check_tokenizer(model, self.tokenizer)
        self.forms = check_template(model, processor, self.tokenizer)
        self.placeholders = Placeholders(processor, self.path)
        self.silent = silent_tokens(self.tokenizer)
        self.turn = assistant_turn(processor, self.tokenizer, self.forms)
        self.stop_ids = stop_ids(model, self.tokenizer, self.turn.end)
        """Tokens that end a response; the first one closes a written one."""
        stop_everywhere(model, self.stop_ids)
        self.streamed = any(parameter.is_meta for parameter in model.parameters())
        """Whether its weights are still to be read, by each rank its part."""
        self.computing: Callable[[], AbstractContextManager[Any]] = nullcontext
        """The arithmetic it is trained in, such as an autocast: for whoever samples from it."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    @property
    def path(self) -> str:
        """Where it was loaded from; empty for a fresh one."""
        return self.model.config.name_or_path

    @property
    def context(self) -> int:
        """Longest sequence of prompt and response, in tokens."""
        return context_of(self.path, self.model.config)

    @property
    def placeholder_ids(self) -> tuple[int, ...]:
        """Tokens that stand for pictures or videos, which an engine never samples."""
        names = ("image_token_id", "video_token_id")
        ids = [self.placeholders.id, *(getattr(self.model.config, name, None) for name in names)]
        rows = rows_of(self.model)
        return tuple(dict.fromkeys(id for id in ids if id is not None and 0 <= id < rows))

    @cached_property
    def picture_tokens(self) -> tuple[int, ...]:
        """What the chat template writes for a picture: its placeholder, and what is around it.

        Raises ValueError if the model takes no pictures.
        """
        if self.placeholders.token is None:
            raise ConfigError(
                f"a document has a picture but model.path={self.path!r} takes text alone; choose a "
                "vision-language model"
            )
        text = picture_written(self.processor, self.placeholders.token)
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    @property
    def multimodal_positions(self) -> bool:
        """Whether rotary positions have three axes."""
        return hasattr(self.model.base_model, "get_rope_index")

    @property
    def support(self) -> Support:
        """What the engine and the layouts can do with this model."""
        config = self.model.config
        attention = config.get_text_config()._attn_implementation
        return support(class_of(self.model), config, attention)

    def encode(self, problem: Problem) -> tuple[int, ...]:
        """Token ids of the chat prompt, up to where the response begins; one placeholder per
        picture.

        Raises ValueError with the problem's id if the chat template refuses it, or if the prompt
        has other than one place per picture, or a token that the model's embedding does not know.
        """
        text = written(self.processor, self.forms, problem.prompt, f"problem {problem.id}")
        tokens = tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        check_prompt(self.model, self.tokenizer, problem, tokens, self.placeholder_ids)
        return tokens

    def encode_response(self, text: str) -> tuple[int, ...]:
        """Token ids of a response, begun and closed as the chat template does an assistant's turn.

        Raises ValueError if it holds what stands for a picture.
        """
        ids = following(self.tokenizer, self.turn.before, self.turn.start + text + self.turn.end)
        if places := set(ids) & set(self.placeholder_ids):
            raise ConfigError(
                f"a response holds {self.tokenizer.decode(sorted(places))!r}, which stands for "
                f"pictures in model.path={self.path!r}; leave it out: {text[:80]!r}"
            )
        return tuple(ids) if self.turn.end else (*ids, self.stop_ids[0])

    def encode_beginning(self, text: str) -> tuple[int, ...]:
        """Token ids of how a response begins, where a model is to go on from there."""
        return tuple(following(self.tokenizer, self.turn.before, self.turn.start + text))

    def encode_text(self, text: str) -> tuple[int, ...]:
        """Token ids of a text as it stands, outside of any chat, behind the token that begins texts
        where the tokenizer puts one.
        """
        ids = self.tokenizer.encode(text, add_special_tokens=False)
        first = self.tokenizer.encode("")[:1]
        return (*first, *ids) if first == [self.tokenizer.bos_token_id] else tuple(ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of a response, special tokens left out but for tags such as <think>."""
        return self.tokenizer.decode([token for token in tokens if token not in self.silent])

    def expand(self, tokens: Sequence[int], images: Sequence[Image] = ()) -> Expanded:
        """One sequence as the model's forward takes it.

        Raises ValueError if the number of placeholders is not the number of pictures.
        """
        if not images:
            return Expanded(tokens=tuple(tokens), positions=self._text_positions(len(tokens)))
        expanded, features = self.placeholders.expand(tokens, images)
        positions = self._positions(expanded, features)
        return Expanded(tokens=expanded, positions=positions, features=self.typed(features))

    def length(self, tokens: Sequence[int], images: Sequence[Image] = ()) -> int:
        """Tokens that the model sees: a placeholder counts as its picture's visual tokens."""
        return len(self.placeholders.expand(tokens, images)[0]) if images else len(tokens)

    def copy(self) -> Policy:
        """The same with weights of its own, which are not trained; an adapter is merged."""
        other = copy.copy(self)
        with merged(self.model):
            other.model = copy.deepcopy(self.model).eval().requires_grad_(False)
        return other

    def save(self, folder: Path | str, weights: Mapping[str, Tensor] | None = None) -> None:
        """Write a Hugging Face folder: weights, configuration, tokenizer, processor, chat
        template. An adapter is merged, and lies alone in `adapter`. Of a model that is spread over
        ranks `weights` is the whole of its state.
        """
        if weights is None:
            with merged(self.model):
                self.model.save_pretrained(folder)
        else:
            whole = merged_tensors(weights, adapted(self.model))
            self.model.save_pretrained(folder, state_dict=whole)
        save_adapter(self.model, Path(folder) / "adapter", weights)
        self.processor.save_pretrained(folder)

    def typed(self, features: dict[str, Tensor]) -> dict[str, Tensor]:
        """Pictures in the number type of the weights."""
        of = self.model.dtype
        return {name: x.to(of) if x.is_floating_point() else x for name, x in features.items()}

    def _text_positions(self, length: int) -> Tensor:
        positions = torch.arange(length)
        return positions.expand(3, -1) if self.multimodal_positions else positions

    def _positions(self, tokens: tuple[int, ...], features: dict[str, Tensor]) -> Tensor:
        if not self.multimodal_positions:
            return self._text_positions(len(tokens))
        ids = torch.tensor([tokens])
        kinds = (ids == self.model.config.image_token_id).int()
        grid = features["image_grid_thw"]
        positions, _ = self.model.base_model.get_rope_index(ids, kinds, image_grid_thw=grid)
        return positions[:, 0]
