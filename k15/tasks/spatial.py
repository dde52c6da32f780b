"""Spatial relations: where does one thing lie, seen from another?

picture   coloured shapes on a field of 4 x 4 cells
question  "Where is the red circle, seen from the blue square? Say left, right, ..."
response  "<think> red circle row 1 column 2. blue square row 1 column 4.</think>\\boxed{left}"
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from random import Random
from typing import Any

from k15.tasks.drawing import COLOURS, THINGS, Canvas
from k15.tasks.pictured import FRAME, PicturedTask, Scene, numbers

SIDE = 4
DOWN, ACROSS = {-1: "above", 0: "", 1: "below"}, {-1: "left", 0: "", 1: "right"}
DIRECTIONS = tuple(f"{d} {a}".strip() for d, a in product(DOWN.values(), ACROSS.values()))
TOLD, ROW, COLUMN, STOP = " There is a", " row", " column", "."
FIRST, THEN = " Where is the", ", seen from the"
CHOICES = "? Say left, right, above, below, above left, above right, below left or below right."
NEAREST, NEAREST_END = " What is nearest to the", "? Say its colour and shape."
COUNTS = {1: 2, 2: 2, 3: 4, 4: 6, 5: 5}  # things on the field

Cell = tuple[int, int]
"""Column and row, from 0."""


class SpatialRelations(PicturedTask):
    """Level 1: two things in one row or column; 2: anywhere; 3 and 4: among 4 and 6 things; 5:
    which of five is nearest to one.
    """

    name = "spatial"

    @property
    def words(self) -> tuple[str, ...]:
        """Things, places, directions."""
        answers = (*filter(None, DIRECTIONS), *(thing.strip() for thing in THINGS))
        phrases = (TOLD, ROW, COLUMN, STOP, FIRST, THEN, CHOICES, NEAREST, NEAREST_END)
        return (*FRAME, *phrases, *THINGS, *answers, *numbers(SIDE)[2:])

    def scene(self, rng: Random, level: int) -> Scene:
        """Drawn until the question has one answer."""
        while True:
            things = rng.sample(THINGS, COUNTS[level])
            cells = rng.sample(list(product(range(SIDE), range(SIDE))), len(things))
            places = dict(zip(things, cells, strict=True))
            if level == 5 and (answer := nearest(things[0], places)):
                question, seen = f"{NEAREST}{things[0]}{NEAREST_END}", things
                break
            apart = [one != other for one, other in zip(*cells[:2], strict=True)]
            if level in (2, 3, 4) or (level == 1 and sum(apart) == 1):
                answer = direction(cells[0], cells[1])
                question, seen = f"{FIRST}{things[0]}{THEN}{things[1]}{CHOICES}", things[:2]
                break
        shuffled = rng.sample(things, len(things))
        return Scene(
            told="".join(f"{TOLD}{place(one, places)}" for one in shuffled),
            question=question,
            thoughts="".join(place(one, places) for one in seen),
            answer=answer,
            parts={"places": places},
        )

    def paint(self, canvas: Canvas, parts: Mapping[str, Any], rng: Random) -> dict[int, str]:
        """Each thing in its cell."""
        canvas.grid()
        for thing, cell in parts["places"].items():
            colour, shape = thing.split()
            canvas.shape(shape, COLOURS[colour], cell, rng)
        return {row * SIDE + column: t for t, (column, row) in parts["places"].items()}


def place(thing: str, places: Mapping[str, Cell]) -> str:
    """` red circle row 1 column 2.`"""
    column, row = places[thing]
    return f"{thing}{ROW} {row + 1}{COLUMN} {column + 1}{STOP}"


def direction(one: Cell, other: Cell) -> str:
    """Where `one` lies, seen from `other`."""
    across, down = ((a > b) - (a < b) for a, b in zip(one, other, strict=True))
    return f"{DOWN[down]} {ACROSS[across]}".strip()


def nearest(thing: str, places: Mapping[str, Cell]) -> str | None:
    """Which other thing is; None if two are."""
    column, row = places[thing]
    distances = sorted(
        ((c - column) ** 2 + (r - row) ** 2, other)
        for other, (c, r) in places.items()
        if other != thing
    )
    return None if distances[0][0] == distances[1][0] else distances[0][1].strip()
