"""Text as pictures (k1.5 §2.3.5, text-rendered data): the answer must not depend on the modality.

"Nora has 12 shells. ..."  ─►  [picture of these words]  "Answer the question in the picture."
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from k15.config.errors import ConfigError
from k15.problems.lazy import LazyProblems
from k15.problems.sources import DemonstratedSource, Response
from k15.questions import Split, fingerprint_of, text_of, under_picture
from k15.types import Problem

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

REQUEST = "Answer the question in the picture."
LINE_HEIGHT = 1.3  # of the font's size


class Page:
    """Draws text in black on white: broken at spaces, as wide as asked, as high as it takes.

    `font` is a TrueType file; None: DejaVu Sans, which comes with matplotlib and has Latin, Greek,
    Cyrillic and mathematical signs.

    Raises ConfigError for sizes that cannot work, and for a font that cannot be read.
    """

    def __init__(
        self, *, font: str | None = None, size: int = 20, width: int = 560, margin: int = 14
    ) -> None:
        """`size`, `width` and `margin` are in pixels."""
        for name, value, least in (("size", size, 6), ("margin", margin, 0)):
            if value < least:
                raise ConfigError(f"data.page.{name}={value}: must be at least {least}")
        if width < 2 * margin + 2 * size:
            raise ConfigError(
                f"data.page.width={width}: must be at least {2 * margin + 2 * size}, two letters"
            )
        if font is not None and not Path(font).is_file():
            raise ConfigError(f"data.page.font={font!r}: no such file")
        self.path, self.size, self.width, self.margin = font, size, width, margin

    @cached_property
    def font(self) -> FreeTypeFont:
        """Loaded when the first page is drawn."""
        from PIL import ImageFont

        return ImageFont.truetype(self.path or _own_font(), self.size)

    @cached_property
    def known(self) -> frozenset[int]:
        """The characters that the font can draw."""
        from matplotlib.ft2font import FT2Font

        return frozenset(FT2Font(self.path or _own_font()).get_charmap())

    def unknown(self, text: str) -> str:
        """The characters of a text that would be drawn as empty boxes."""
        return "".join(sorted({c for c in text if not c.isspace() and ord(c) not in self.known}))

    def lines(self, text: str) -> list[str]:
        """The text as it is broken; a word that is too long is cut."""
        return [line for paragraph in text.split("\n") for line in self._broken(paragraph)]

    def draw(self, text: str) -> Image:
        """The page."""
        from PIL import Image, ImageDraw

        lines, step = self.lines(text), round(LINE_HEIGHT * self.size)
        page = Image.new("RGB", (self.width, len(lines) * step + 2 * self.margin), "white")
        pen = ImageDraw.Draw(page)
        for number, line in enumerate(lines):
            at = self.margin, self.margin + number * step
            pen.text(at, line, fill="black", font=self.font)
        return page

    def _broken(self, paragraph: str) -> list[str]:
        room = self.width - 2 * self.margin
        lines: list[str] = []
        line: str | None = None
        for word in paragraph.expandtabs(4).split(" "):
            longer = word if line is None else f"{line} {word}"
            if self.font.getlength(longer) > room:
                lines += [] if line is None else [line]
                *whole, longer = self._cut(word, room)
                lines += whole
            line = longer
        return [*lines, line or ""]

    def _cut(self, word: str, room: int) -> list[str]:
        """A word in pieces that fit, of one length but for the last."""
        if self.font.getlength(word) <= room:
            return [word]
        widest = max(self.font.getlength(letter) for letter in word)
        return textwrap.wrap(word, max(1, int(room / widest))) or [word]


class RenderedSource:
    """Another source's problems with their text drawn into a picture; all else is the same: answer,
    verifier, split, demonstrations.

    The last user message becomes the picture and the request. A problem that has pictures already
    stays as it is.

    Raises ConfigError naming a problem whose text the font cannot draw, when it is asked for.
    """

    def __init__(
        self,
        source: DemonstratedSource,
        *,
        page: Page,
        request: str = REQUEST,
        max_response_tokens: int | None = None,
    ) -> None:
        """`request` stands behind each picture; `max_response_tokens` None: the source's."""
        self.source, self.page, self.request = source, page, request
        self.words = (*source.words, request) if source.words else ()
        longest = source.max_response_tokens
        self.max_response_tokens = longest if max_response_tokens is None else max_response_tokens
        self.train, self.held_out = map(self._pool, (source.train, source.held_out))

    def demonstration(self, index: int, split: Split = "train") -> tuple[Problem, Response]:
        """The source's, to the drawn question."""
        problem, response = self.source.demonstration(index, split)
        return self.rendered(problem), response

    def rendered(self, problem: Problem) -> Problem:
        """The problem with a picture of its question; what it asks stays known."""
        if problem.images:
            return problem
        *before, last = problem.prompt
        text = text_of([last])
        if unknown := self.page.unknown(text):
            raise ConfigError(
                f"problem {problem.id}: the font has no {unknown[:20]}; give one that has with "
                "data.page.font=<file>"
            )
        question = problem.meta.get("twin", fingerprint_of(problem))
        return replace(
            problem,
            prompt=(*before, {**last, "content": under_picture(self.request)}),
            images=(self.page.draw(text),),
            meta={**problem.meta, "twin": question},
        )

    def _pool(self, problems: Sequence[Problem]) -> LazyProblems:
        return LazyProblems(partial(self._made, problems, n) for n in range(len(problems)))

    def _made(self, problems: Sequence[Problem], index: int) -> Problem:
        return self.rendered(problems[index])


def _own_font() -> str:
    from matplotlib.font_manager import findfont

    return str(findfont("DejaVu Sans"))
