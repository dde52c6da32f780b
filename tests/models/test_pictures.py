"""A picture as a model sees it, read back from the format that stores it."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from k15.models.pictures import as_seen

BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (255, 0, 0)
GREY_16 = np.array([[0, 32768, 65535]], dtype=np.uint16)


def stored(image: Image.Image, kind: str = "PNG", **how: object) -> Image.Image:
    buffer = BytesIO()
    image.save(buffer, kind, **how)
    return Image.open(buffer)


def first_pixel(image: Image.Image) -> object:
    seen = as_seen(image)
    assert seen.mode == "RGB" and "transparency" not in seen.info
    return seen.getpixel((0, 0))


def palette(colour: tuple[int, int, int]) -> Image.Image:
    image = Image.new("P", (2, 2), 0)
    image.putpalette(list(colour) * 256)
    return image


@pytest.mark.parametrize(
    ("image", "how", "colour"),
    [
        (Image.new("RGBA", (2, 2), (0, 0, 0, 0)), {}, WHITE),
        (Image.new("RGBA", (2, 2), (0, 0, 0, 255)), {}, BLACK),
        (Image.new("RGBA", (2, 2), (255, 0, 0, 51)), {}, (255, 204, 204)),  # a fifth of red
        (Image.new("LA", (2, 2), (0, 0)), {}, WHITE),
        (palette(BLACK), {"transparency": 0}, WHITE),
        (palette(BLACK), {"transparency": bytes([51] * 256)}, (204, 204, 204)),
        (palette(RED), {}, RED),
        (Image.new("RGB", (2, 2), BLACK), {"transparency": BLACK}, WHITE),
        (Image.new("L", (2, 2), 0), {"transparency": 0}, WHITE),
        (Image.new("1", (2, 2), 0), {"transparency": 0}, WHITE),
        (Image.fromarray(np.zeros((2, 2), np.uint16)), {"transparency": 0}, WHITE),
    ],
)
def test_transparency_lies_on_white(image, how, colour) -> None:
    assert first_pixel(stored(image, **how)) == colour


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight(kind: str) -> None:
    seen = as_seen(stored(Image.fromarray(GREY_16), kind))
    assert [seen.getpixel((x, 0)) for x in range(3)] == [BLACK, (128,) * 3, WHITE]


def test_grey_whose_white_is_known_is_scaled_and_other_grey_is_refused() -> None:
    for values in (GREY_16.astype(np.int32), np.array([[0, 0.5, 1]], np.float32)):
        seen = as_seen(Image.fromarray(values))
        assert [seen.getpixel((x, 0)) for x in range(3)] == [BLACK, (128,) * 3, WHITE]
    for values in (np.array([[0, 70000]], np.int32), np.array([[0, np.nan]], np.float32)):
        with pytest.raises(ValueError, match=r"grey values from .* save it with 8 bits"):
            as_seen(Image.fromarray(values))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_picture_stands_upright(kind: str) -> None:
    """6: the top is on the right, so that the red left half is on top once it is turned."""
    image = Image.new("RGB", (40, 20), "white")
    image.paste(RED, (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = as_seen(stored(image, kind, exif=exif))
    assert seen.size == (20, 40)
    top, bottom = np.asarray(seen)[5, 10], np.asarray(seen)[35, 10]
    assert np.abs(top.astype(int) - RED).max() < 20 and bottom.min() > 235


def test_inks_become_light() -> None:
    for kind in ("JPEG", "TIFF"):
        assert first_pixel(stored(Image.new("CMYK", (2, 2), (0, 255, 255, 0)), kind)) == RED


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_an_animation_the_first_frame(kind: str) -> None:
    frames = [Image.new("RGBA", (2, 2), colour) for colour in ((0, 0, 0, 0), (255, 0, 0, 255))]
    animated = stored(frames[0], kind, save_all=True, append_images=frames[1:])
    assert animated.n_frames == 2 and first_pixel(animated) == WHITE


def test_what_is_as_it_should_be_is_not_decoded() -> None:
    image = stored(Image.new("RGB", (2, 2), RED), "JPEG")
    assert as_seen(image) is image and image.tile  # tiles are what is left to decode
