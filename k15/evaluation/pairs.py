"""A text and what may follow it, as tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from k15.models.codec import Codec, TextCodec


def pair(codec: Codec, beginning: str, text: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Tokens of `beginning`, and those of both together behind as many: lm-eval's rule
    (`TemplateLM._encode_pair`), by which spaces at the end of the beginning belong to the text.
    """
    encode = cast("TextCodec", codec).encode_text
    whole, prompt = encode(beginning + text), encode(beginning.rstrip())
    return prompt, whole[len(prompt) :]
