"""What the visual tasks draw with: coloured shapes, lines and bars on a square of cells.

Positions are in cells, x to the right and y down; a cell has 14 x 14 pixels times the scale, which
at scale 1 is a patch of the tiny vision tower.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import cos, radians, sin
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

CELL = 14  # pixels
COLOURS = {"red": "#d62020", "green": "#1f9d3a", "blue": "#2456d6", "yellow": "#f2c200"}
SHAPES = ("circle", "square", "triangle")
THINGS = tuple(f" {colour} {shape}" for colour, shape in product(COLOURS, SHAPES))
GREY, BLACK = "#d9d9d9", "#000000"
Point = tuple[float, float]


class Canvas:
    """A white picture of `columns` x `rows` cells."""

    def __init__(self, columns: int, rows: int, scale: int = 1) -> None:
        from PIL import Image, ImageDraw

        self.columns, self.rows, self.unit = columns, rows, CELL * scale
        self.image: Image.Image = Image.new("RGB", (columns * self.unit, rows * self.unit), "white")
        self.pen = ImageDraw.Draw(self.image)

    def at(self, point: Point) -> Point:
        """Where a point in cells lies, in pixels."""
        return point[0] * self.unit, point[1] * self.unit

    def grid(self, step: float = 1.0) -> None:
        """Thin lines, `step` cells apart."""
        for number in range(round(self.columns / step) + 1):
            self.line((number * step, 0), (number * step, self.rows), GREY, 1 / self.unit)
        for number in range(round(self.rows / step) + 1):
            self.line((0, number * step), (self.columns, number * step), GREY, 1 / self.unit)

    def line(self, start: Point, end: Point, colour: str, width: float = 1 / 7) -> None:
        """A straight one; its width is in cells."""
        pixels = max(1, round(width * self.unit))
        self.pen.line([self.at(start), self.at(end)], fill=colour, width=pixels)

    def ray(self, start: Point, angle: float, length: float, colour: str) -> None:
        """A line at an angle in degrees, counter-clockwise from the right."""
        turned = radians(angle)
        end = start[0] + length * cos(turned), start[1] - length * sin(turned)
        self.line(start, end, colour)

    def box(self, corner: Point, size: Point, colour: str) -> None:
        """A filled rectangle."""
        (left, top), (width, height) = self.at(corner), self.at(size)
        self.pen.rectangle((left, top, left + width - 1, top + height - 1), fill=colour)

    def polygon(self, points: Sequence[Point], colour: str) -> None:
        """A filled one."""
        self.pen.polygon([self.at(point) for point in points], fill=colour)

    def pie(self, shares: Sequence[tuple[str, int]], whole: int) -> None:
        """Sectors, one after the other from the top, clockwise, as large as the canvas."""
        box, start = (0, 0, self.image.width - 1, self.image.height - 1), -90.0
        for colour, share in shares:
            end = start + 360 * share / whole
            self.pen.pieslice(box, start, end, fill=colour, outline="white")
            start = end

    def shape(self, name: str, colour: str, cell: tuple[int, int], rng: Random) -> None:
        """A filled shape somewhere in a cell, given as (column, row)."""
        margin = 1 / 7
        left, top = (place + margin * rng.random() for place in cell)
        side = 1 - 2 * margin
        (x, y), size = self.at((left, top)), side * self.unit
        if name == "circle":
            self.pen.ellipse((x, y, x + size, y + size), fill=colour)
        elif name == "square":
            self.box((left, top), (side, side), colour)
        else:
            corners = [(left, top + side), (left + side / 2, top), (left + side, top + side)]
            self.polygon(corners, colour)
