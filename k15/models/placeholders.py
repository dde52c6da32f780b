"""Pictures as a vision-language model takes them: features, and tokens in a prompt's place of one.

A prompt has one placeholder per picture. What stands there for the model is laid out by the
model's own processor: a token per visual token, for some models in rows with tokens between them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from k15.config.errors import ConfigError, one_line
from k15.models.pictures import as_seen

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURES_KEPT = 4096  # processed pictures in memory: one iteration uses each of them many times
OF_TEXT = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids")


@dataclass(frozen=True, slots=True)
class Seen:
    """One picture as the model takes it."""

    image: Image
    """Kept, so that its id stays its own."""
    tokens: tuple[int, ...]
    """What stands in the place of its placeholder."""
    features: dict[str, Tensor]


class Placeholders:
    """Turns placeholders into what `processor` lays out; `path` is the model's, for errors."""

    def __init__(self, processor: Any, path: str) -> None:
        self.processor, self.path = processor, path
        self._seen: OrderedDict[int, Seen] = OrderedDict()

    @property
    def token(self) -> str | None:
        """What a chat template writes for a picture; None for text models."""
        return getattr(self.processor, "image_token", None)

    @property
    def id(self) -> int | None:
        """`token` as the tokenizer has it."""
        if self.token is None:
            return None
        return self.processor.tokenizer.convert_tokens_to_ids(self.token)

    def expand(
        self, tokens: Sequence[int], images: Sequence[Image]
    ) -> tuple[tuple[int, ...], dict]:
        """Tokens with each placeholder replaced, and the features of all pictures.

        Raises ValueError if there are not as many placeholders as pictures.
        """
        seen = [self._see(image) for image in images]
        if list(tokens).count(self.id) != len(seen):  # type: ignore[arg-type]
            raise ValueError(
                f"prompt has {list(tokens).count(self.id)} picture placeholders "  # type: ignore
                f"for {len(seen)} pictures"
            )
        remaining = iter(seen)
        expanded = tuple(
            out
            for token in tokens
            for out in (next(remaining).tokens if token == self.id else (token,))
        )
        return expanded, joined([each.features for each in seen])

    def tokens_of(self, image: Image) -> tuple[int, ...]:
        """What stands in the place of its placeholder."""
        return self._see(image).tokens

    def _see(self, image: Image) -> Seen:
        if getattr(self.processor, "image_processor", None) is None:
            raise ConfigError(
                f"the problem has a picture but model.path={self.path!r} has no image processor; "
                "choose a vision-language model"
            )
        if id(image) not in self._seen:
            self._seen[id(image)] = self._processed(image)
            if len(self._seen) > PICTURES_KEPT:
                self._seen.popitem(last=False)
        return self._seen[id(image)]

    def _processed(self, image: Image) -> Seen:
        seen = as_seen(image)
        try:
            inputs = self.processor(
                text=[self.token], images=[seen], return_tensors="pt", add_special_tokens=False
            )
        except ValueError as error:  # such as a strip of 1 x 1000 pixels
            raise ConfigError(
                f"the image processor of model.path={self.path!r} refuses a picture of "
                f"{image.width} x {image.height} pixels ({one_line(error)})"
            ) from error
        features = {name: value for name, value in inputs.items() if name not in OF_TEXT}
        return Seen(image, tuple(inputs["input_ids"][0].tolist()), features)


def joined(features: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Picture inputs of several sequences, in the order in which their placeholders stand.

    They follow each other along dimension 0; where pictures differ in size along others, the
    smaller ones are padded with zeros behind, as transformers' processors do.
    """
    parts = [part for part in features if part]
    names = parts[0] if parts else ()
    return {name: torch.cat(padded([part[name] for part in parts])) for name in names}


def padded(values: Sequence[Tensor]) -> list[Tensor]:
    """All of the same size but along dimension 0."""
    largest = [max(sizes) for sizes in zip(*(value.shape[1:] for value in values), strict=True)]
    grown = []
    for value in values:
        missing = [more - size for more, size in zip(largest, value.shape[1:], strict=True)]
        behind = [width for count in reversed(missing) for width in (0, count)]
        grown.append(pad(value, behind) if any(missing) else value)
    return grown
