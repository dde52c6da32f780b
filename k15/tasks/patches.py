"""Pictures of words, one in each patch of 14 x 14 pixels."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

PATCH = 14  # pixels
COLUMNS = 8


def written_in_patches(
    patch_words: Mapping[int, str], rows: int, rng: Random, columns: int = COLUMNS
) -> Image:
    """Rows of patches; each word, of two characters at most, lies anywhere in its own."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (columns * PATCH, rows * PATCH), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default_imagefont()
    for patch, word in patch_words.items():
        row, column = divmod(patch, columns)
        at = (column * PATCH + 1 + rng.randint(0, 1), row * PATCH + 1 + rng.randint(0, 2))
        pen.text(at, word.strip(), fill="black", font=font)
    return picture


def fits(word: str) -> bool:
    """Whether a patch has room for a word."""
    return len(word.strip()) in (1, 2)
