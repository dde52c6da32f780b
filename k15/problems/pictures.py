"""Pictures of records: where they lie, and where they stand in a prompt."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from os.path import isfile
from pathlib import Path
from typing import Any, overload

from PIL import Image

from k15.config.errors import ConfigError, one_line
from k15.models.pictures import as_seen
from k15.problems.rows import Row
from k15.questions import pixels_digest
from k15.types import Problem

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
TAG = re.compile(r"<image[ _]?(\d*)>", re.IGNORECASE)
MOST_PIXELS = 2**26  # 8,192 x 8,192
BASE64 = re.compile(r"data:image/[\w.+-]+;base64,|(?=iVBORw0KGgo|/9j/|R0lGOD|UklGR)")
"""How a picture begins that is written as text: as a data URI, or as PNG, JPEG, GIF, WebP."""
LONGEST = 1000  # characters of a name
SHORTEST = 50  # characters of such a text; what is shorter names a file


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that has not been decoded: a file, the bytes of one, or one that Pillow opened."""

    source: Path | bytes | Image.Image
    label: str
    """For a person."""

    def load(self) -> Image.Image:
        """The picture as a model sees it; what is RGB already is decoded when its pixels are used.

        Raises ValueError saying which one cannot be read, and why.
        """
        try:
            return as_seen(self._opened())
        except Exception as error:  # a broken file makes decoders raise just about anything
            raise self._unreadable(error) from error

    def check(self) -> None:
        """Raise ValueError if it is not there or is no whole picture."""
        self._check_file()
        image = self.load()
        try:
            image.draft("RGB", (1, 1))  # a JPEG at an eighth of its size: much faster
            image.load()
        except Exception as error:  # as above
            raise self._unreadable(error) from error

    def digest(self) -> bytes:
        """What tells it from other pictures: that of its bytes, or of its pixels. Nothing is
        decoded.

        Raises ValueError if it is not there, or its head is not that of a picture.
        """
        self._check_file()
        try:
            image = self._opened()
            if image is self.source:
                return pixels_digest(image)
        except Exception as error:  # as above
            raise self._unreadable(error) from error
        return hashlib.sha256(self._bytes()).digest()

    def _check_file(self) -> None:
        if isinstance(self.source, Path) and not isfile(self.source):
            raise ConfigError(f"{self.label}: no such file")

    def _bytes(self) -> bytes:
        assert not isinstance(self.source, Image.Image)
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()

    def _opened(self) -> Image.Image:
        if isinstance(self.source, Image.Image):
            return self.source
        image = Image.open(BytesIO(self._bytes()))
        if image.width * image.height > MOST_PIXELS:
            raise ValueError(
                f"{image.width} x {image.height} pixels; scale it down to {MOST_PIXELS:,} at most"
            )
        return image

    def _unreadable(self, error: Exception) -> ConfigError:
        return ConfigError(f"{self.label}: cannot be read as a picture ({one_line(error)})")


class Pictures(Sequence[Image.Image]):
    """The pictures of one problem, read when the first of them is asked for, then kept."""

    def __init__(self, sources: Sequence[Picture]) -> None:
        self.sources = sources

    @cached_property
    def images(self) -> tuple[Image.Image, ...]:
        return tuple(one.load() for one in self.sources)

    def __len__(self) -> int:
        return len(self.sources)

    @overload
    def __getitem__(self, index: int) -> Image.Image: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[Image.Image, ...]: ...

    def __getitem__(self, index: int | slice) -> Image.Image | tuple[Image.Image, ...]:
        return self.images[index]


def illustrated(problem: Problem, pictures: Sequence[Picture]) -> Problem:
    """The problem with its pictures, which are not read yet."""
    return replace(problem, images=Pictures(pictures)) if pictures else problem


def picture(given: Any, row: Row, part: str, *, folder: Path, label: str) -> Picture:
    """A picture as a record has it: the name of a file, `{"bytes": ..., "path": ...}`, bytes,
    base64, or Pillow's.

    Raises ValueError with place and field for anything else.

    Args:
        given: one picture of the record.
        row: the record.
        part: whose value it is.
        folder: where names start from; an ending of its own (.png for .jpg) is found, too.
        label: of the problem, for a person.
    """
    if isinstance(given, Mapping):
        given = given.get("bytes") or given.get("path")
    if isinstance(given, str) and len(given) >= SHORTEST and (start := BASE64.match(given)):
        given = _decoded(given[start.end() :])
    if isinstance(given, Image.Image) or (isinstance(given, bytes) and given):
        return Picture(given, f"{label}: the picture in {row.place}")
    if not isinstance(given, str) or not 0 < len(given.strip()) <= LONGEST:
        raise row.fault(part, "must be the name of a file or the bytes of a picture")
    path = folder / given
    others = (path.with_suffix(suffix) for suffix in SUFFIXES if path.name)
    found = next((p for p in (path, *others) if isfile(p)), path)
    return Picture(found, f"{label}: {found}")


def placed(text: str, pictures: int, *, composite: bool = False) -> str | list[dict[str, str]]:
    """What a message holds: the text around an item per picture.

    A picture stands where its tag does (`<image>`, `<image 1>`); without tags, all come first.
    With `composite` one picture may hold what several tags name, and comes first as well.

    Raises ValueError if there are other than one tag per picture.
    """
    tags = list(TAG.finditer(text))
    if not pictures:
        return TAG.sub("", text).strip()
    if composite and pictures == 1 < len(tags):
        text, tags = TAG.sub("", text), []
    if tags and len(tags) != pictures:
        raise ConfigError(
            f"its text has {len(tags)} places for pictures ({tags[0][0]}) and it has {pictures} "
            "of them; give one place per picture, or none: then they come first"
        )
    edges = [0, *(edge for tag in tags for edge in tag.span()), len(text)]
    texts = [text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
    texts[-1] = texts[-1].strip()
    content: list[dict[str, str]] = [] if tags else [{"type": "image"}] * pictures
    for number, piece in enumerate(texts):
        content += [{"type": "image"}] if number else []
        content += [{"type": "text", "text": piece}] if piece.strip() else []
    return content


def in_order(text: str, pictures: Sequence[Any]) -> list[Any]:
    """The pictures in the order in which numbered tags name them; all if there are none.

    Raises ValueError for a number that no picture has.
    """
    numbers = [int(number) for number in TAG.findall(text) if number]
    if absent := [number for number in numbers if not 1 <= number <= len(pictures)]:
        raise ConfigError(
            f"its text names picture {absent[0]} (<image {absent[0]}>) of {len(pictures)}"
        )
    return [pictures[number - 1] for number in numbers] or list(pictures)


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return None
