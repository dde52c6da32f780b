"""A picture as a model sees it: upright, 8-bit RGB, on white."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

WHITE_16 = 65535
ORIENTATION = 0x0112  # EXIF
UPRIGHT = 1


def as_seen(image: Picture) -> Picture:
    """The first frame in 8-bit RGB, turned as EXIF says, transparency laid over white.

    A picture that is so already comes back as it is, not yet decoded if it was not.

    Raises ValueError for grey values whose white nobody can know, and for colours that Pillow
    cannot turn into RGB.
    """
    if image.getexif().get(ORIENTATION, UPRIGHT) != UPRIGHT:
        image = ImageOps.exif_transpose(image)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _grey(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def blank(image: Picture) -> Picture:
    """A white picture of the same size."""
    return Image.new("RGB", image.size, "white")


def _grey(image: Picture) -> Picture:
    """16-bit grey, or floats from 0 to 1, in 8 bits."""
    values = np.asarray(image, dtype=np.float64)
    white = 1.0 if image.mode == "F" else WHITE_16
    if not np.all((values >= 0) & (values <= white)):
        raise ValueError(
            f"grey values from {values.min():g} to {values.max():g}, where 0 is black and "
            f"{white:g} white; save it with 8 bits"
        )
    grey = np.rint(values * (255 / white)).astype(np.uint8)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return Image.fromarray(grey).convert("RGB")
