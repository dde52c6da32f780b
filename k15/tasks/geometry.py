"""Geometry: lengths, areas and angles of figures on a grid.

picture   a figure on 8 x 8 grid squares
question  "What is the area of the rectangle, in grid squares?"
response  "<think> 3 x 4 =</think>\\boxed{12}"
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from k15.tasks.drawing import COLOURS, Canvas
from k15.tasks.pictured import FRAME, PicturedTask, Scene, numbers

SIDE = 8  # grid squares, half a cell each
STEP = 15  # degrees
LINE, RECTANGLE, TRIANGLE, RAYS = " line", " rectangle", " right triangle", " pair of rays"
A, FROM, TO, AT, AND, COMMA = " A", " from", " to", " at", " and", ","
TIMES, PLUS, MINUS, HALF, EQUALS, STOP = " x", " +", " -", " / 2", " =", "."
LENGTH = " How long is the line, in sides of a grid square?"
AREA = " What is the area of the figure, in grid squares?"
PERIMETER = " How long is the way around the figure, in sides of a grid square?"
ANGLE = " How large is the angle between the rays, in degrees, at most 180?"
Square = tuple[int, int]


class Geometry(PicturedTask):
    """Level 1: the length of a line along the grid; 2: the area of a rectangle; 3: the way around
    it; 4: the area of a right triangle; 5: the angle between two rays, in steps of 15 degrees.
    """

    name = "geometry"

    @property
    def words(self) -> tuple[str, ...]:
        """Figures, signs, numbers to 64 and angles to 360."""
        phrases: tuple[str, ...]
        phrases = (LINE, RECTANGLE, TRIANGLE, RAYS, A, FROM, TO, AT, AND, COMMA, TIMES, PLUS, MINUS)
        more = (HALF, EQUALS, STOP, LENGTH, AREA, PERIMETER, ANGLE)
        colours = (f" {colour}" for colour in COLOURS)
        angles = [f"{space}{n}" for n in range(0, 360, STEP) for space in (" ", "") if n > SIDE**2]
        return (*FRAME, *phrases, *more, *colours, *numbers(SIDE**2), *angles)

    def scene(self, rng: Random, level: int) -> Scene:
        """A figure somewhere on the grid."""
        colour = rng.choice([*COLOURS])
        if level == 5:
            return rays(rng, colour)
        if level == 1:
            return line(rng, colour)
        kind = TRIANGLE if level == 4 else RECTANGLE
        (left, top), (right, bottom) = corners(rng, even=level == 4)
        width, height = right - left, bottom - top
        told = f"{A} {colour}{kind}{FROM} {left}{COMMA} {top}{TO} {right}{COMMA} {bottom}{STOP}"
        parts = {"kind": kind, "colour": colour, "corners": ((left, top), (right, bottom))}
        if level == 3:
            thoughts = f" {width}{PLUS} {height}{PLUS} {width}{PLUS} {height}{EQUALS}"
            question, answer = PERIMETER, 2 * (width + height)
        else:
            half = level == 4
            thoughts = f" {width}{TIMES} {height}{HALF if half else ''}{EQUALS}"
            question, answer = AREA, width * height // (1 + half)
        return Scene(
            told=told, question=question, thoughts=thoughts, answer=str(answer), parts=parts
        )

    def paint(self, canvas: Canvas, parts: Mapping[str, Any], rng: Random) -> dict[int, str]:
        """The figure on the grid; no word stands for a patch of it."""
        canvas.grid(0.5)
        colour = COLOURS[parts["colour"]]
        if parts["kind"] == RAYS:
            centre = canvas.columns / 2, canvas.rows / 2
            for angle in parts["angles"]:
                canvas.ray(centre, angle, 1.9, colour)
            return {}
        (left, top), (right, bottom) = [(x / 2, y / 2) for x, y in parts["corners"]]
        if parts["kind"] == LINE:
            canvas.line((left, top), (right, bottom), colour, 3 / 14)
        elif parts["kind"] == RECTANGLE:
            canvas.box((left, top), (right - left, bottom - top), colour)
        else:
            canvas.polygon([(left, top), (left, bottom), (right, bottom)], colour)
        return {}


def corners(rng: Random, *, even: bool) -> tuple[Square, Square]:
    """Of a figure with sides of at least 1; `even`: of an area whose half is whole."""
    while True:
        (left, right), (top, bottom) = (sorted(rng.sample(range(SIDE + 1), 2)) for _ in range(2))
        if not even or (right - left) * (bottom - top) % 2 == 0:
            return (left, top), (right, bottom)


def line(rng: Random, colour: str) -> Scene:
    """Along the grid, at least one square from its edge."""
    start, end = sorted(rng.sample(range(SIDE + 1), 2))
    beside = rng.randint(1, SIDE - 1)
    ends = [(start, beside), (end, beside)]
    if rng.random() < 0.5:
        ends = [(y, x) for x, y in ends]
    (left, top), (right, bottom) = ends
    return Scene(
        told=f"{A} {colour}{LINE}{FROM} {left}{COMMA} {top}{TO} {right}{COMMA} {bottom}{STOP}",
        question=LENGTH,
        thoughts=f" {end}{MINUS} {start}{EQUALS}",
        answer=str(end - start),
        parts={"kind": LINE, "colour": colour, "corners": ends},
    )


def rays(rng: Random, colour: str) -> Scene:
    """Two from the middle, with an angle of at most 180 degrees between them."""
    one, other = rng.sample(range(0, 360, STEP), 2)
    between = min(abs(one - other), 360 - abs(one - other))
    return Scene(
        told=f"{A} {colour}{RAYS}{AT} {one}{AND} {other}{STOP}",
        question=ANGLE,
        thoughts=f" {one}{AND} {other}{EQUALS}",
        answer=str(between),
        parts={"kind": RAYS, "colour": colour, "angles": (one, other)},
    )
