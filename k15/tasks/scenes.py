"""Drawn scenes: coloured shapes in the cells of a grid, and what can be said about them.

    ● ▢ .        " a red circle, a blue square, a green cross"
    . . ✚        " 3 shapes"    " a red circle left of a blue square"

All is decided by a random number generator, so that a scene's number names it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

COLOURS = {"red": (220, 40, 40), "green": (30, 160, 60), "blue": (40, 70, 220), "black": (0, 0, 0)}
SHAPES = ("circle", "square", "triangle", "cross")
RELATIONS = ("left of", "right of", "above", "below")
JITTER = 0.08  # of a cell's width: how far a shape lies from its middle


@dataclass(frozen=True, slots=True)
class Thing:
    """A shape in a cell."""

    colour: str
    shape: str
    row: int
    column: int

    @property
    def name(self) -> str:
        """Colour and shape."""
        return f"{self.colour} {self.shape}"


@dataclass(frozen=True, slots=True)
class Scene:
    """Things in reading order; no two of them are alike."""

    rows: int
    columns: int
    things: tuple[Thing, ...]

    def relation(self, one: Thing, other: Thing) -> str | None:
        """How one lies to another one; None if that is not clear."""
        if one.row == other.row:
            return RELATIONS[0] if one.column < other.column else RELATIONS[1]
        if one.column == other.column:
            return RELATIONS[2] if one.row < other.row else RELATIONS[3]
        return None


def scene(rng: Random, rows: int, columns: int, most: int) -> Scene:
    """One to `most` things in cells of their own."""
    kinds = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    number = rng.randint(1, min(most, rows * columns, len(kinds)))
    cells = sorted(rng.sample(range(rows * columns), number))
    chosen = zip(rng.sample(kinds, number), cells, strict=True)
    things = (Thing(*kind, *divmod(cell, columns)) for kind, cell in chosen)
    return Scene(rows, columns, tuple(things))


def drawn(scene: Scene, rng: Random, cell: int) -> Image:
    """A picture of `cell` x `cell` pixels per cell."""
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (scene.columns * cell, scene.rows * cell), "white")
    pen = ImageDraw.Draw(picture)
    for thing in scene.things:
        shift = [rng.uniform(-JITTER, JITTER) for _ in range(2)]
        middle = (thing.column + 0.5 + shift[0]) * cell, (thing.row + 0.5 + shift[1]) * cell
        shape(pen, thing.shape, middle, rng.uniform(0.3, 0.42) * cell, COLOURS[thing.colour])
    return picture


def shape(
    pen: ImageDraw,
    name: str,
    middle: tuple[float, float],
    radius: float,
    colour: tuple[int, int, int],
) -> None:
    """One shape of a radius in pixels."""
    x, y = middle
    box = (x - radius, y - radius, x + radius, y + radius)
    if name == "circle":
        pen.ellipse(box, fill=colour)
    elif name == "square":
        pen.rectangle(box, fill=colour)
    elif name == "triangle":
        height = radius * math.sin(math.pi / 6)
        pen.polygon([(x, y - radius), (x - radius, y + height), (x + radius, y + height)], colour)
    else:
        width = max(2, round(radius / 2))
        pen.line((x - radius, y, x + radius, y), colour, width)
        pen.line((x, y - radius, x, y + radius), colour, width)


def counted(things: Sequence[Thing], colour: str) -> int:
    """How many have a colour."""
    return sum(thing.colour == colour for thing in things)
