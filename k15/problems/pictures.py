"""Pictures of records: where they lie, and where they stand in a prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from PIL import Image

from k15.config.errors import ConfigError
from k15.types import Problem

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
TAG = re.compile(r"<image ?(\d*)>")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that has not been decoded: a file, or the bytes of one."""

    source: Path | bytes
    label: str
    """For a person."""

    def load(self) -> Image.Image:
        """The picture in RGB, decoded when its pixels are asked for.

        Raises ValueError saying which one cannot be read.
        """
        try:
            data = self.source if isinstance(self.source, bytes) else self.source.read_bytes()
            image = Image.open(BytesIO(data))
            return image if image.mode == "RGB" else image.convert("RGB")
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ConfigError(f"{self.label}: cannot be read as a picture ({error})") from error

    def check(self) -> None:
        """Raise ValueError if it is not there or is no whole picture."""
        if isinstance(self.source, Path) and not self.source.is_file():
            raise ConfigError(f"{self.label}: no such file")
        image = self.load()
        try:
            image.draft("RGB", (1, 1))  # a JPEG at an eighth of its size: much faster
            image.load()
        except (OSError, SyntaxError) as error:
            raise ConfigError(f"{self.label}: cannot be read as a picture ({error})") from error


def placed(problem: Problem, pictures: int) -> Problem:
    """The prompt with an item per picture, in place of its tag or before the text."""
    [message] = problem.prompt
    text = message["content"]
    if not pictures:
        return replace(problem, prompt=({**message, "content": TAG.sub("", text).strip()},))
    content: list[dict[str, str]] = []
    position = 0
    tags = list(TAG.finditer(text))
    if len(tags) != pictures:
        content = [{"type": "image"}] * pictures
        text, tags = TAG.sub("", text), []
    for tag in tags:
        content += [{"type": "text", "text": text[position : tag.start()]}, {"type": "image"}]
        position = tag.end()
    content.append({"type": "text", "text": text[position:].strip()})
    content = [item for item in content if item["type"] == "image" or item["text"].strip()]
    return replace(problem, prompt=({**message, "content": content},))
