"""Counting: how many things of a kind are there?

picture   coloured shapes on a field of 4 x 4 cells
question  "How many things of this kind are there: red?"
response  "<think> row 1: 1 row 2: 1 row 3: 3 row 4: 3</think>\\boxed{3}"   running counts
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from random import Random
from typing import Any

from k15.tasks.drawing import COLOURS, SHAPES, THINGS, Canvas
from k15.tasks.pictured import FRAME, PicturedTask, Scene, numbers

SIDE = 4
KINDS = tuple(f" {kind}" for kind in (*COLOURS, *SHAPES))
ROW, COLON, EMPTY = " row", ":", " empty"
ASKED, MORE = " How many things of this kind are there:", " How many more things are"
THAN, END = " than", "?"
MOST = {1: 5, 2: 7, 3: 10, 4: 14, 5: 12}  # things on the field
COLOURED = {1: 2, 2: 3, 3: 4, 4: 4, 5: 4}  # colours of them


class Counting(PicturedTask):
    """Level 1: up to 5 things in two colours, asked for a colour; 2: up to 7 in three; 3 and 4: up
    to 10 and 14, asked for a colour, a shape, or both; 5: how many more of one colour than another.
    """

    name = "counting"

    @property
    def words(self) -> tuple[str, ...]:
        """Things, kinds, numbers to 16."""
        phrases = (ROW, COLON, EMPTY, ASKED, MORE, THAN, END)
        return (*FRAME, *phrases, *THINGS, *KINDS, *numbers(SIDE * SIDE))

    def scene(self, rng: Random, level: int) -> Scene:
        """Things in random cells; of what is asked there is mostly some."""
        colours = rng.sample(list(COLOURS), COLOURED[level])
        number = rng.randint(2, MOST[level])
        cells = rng.sample(list(product(range(SIDE), range(SIDE))), number)
        things = [f" {rng.choice(colours)} {rng.choice(SHAPES)}" for _ in cells]
        places = dict(sorted(zip(cells, things, strict=True)))
        if level == 5:
            one, other = sorted(colours[:2], key=lambda c: -count(f" {c}", places, SIDE))
            question = f"{MORE} {one}{THAN} {other}{END}"
            thoughts = "".join(f" {c}{COLON}{running(f' {c}', places)}" for c in (one, other))
            answer = count(f" {one}", places, SIDE) - count(f" {other}", places, SIDE)
        else:
            kind = asked_for(rng, level, colours, things)
            question, thoughts = f"{ASKED}{kind}{END}", running(kind, places)
            answer = count(kind, places, SIDE)
        told = "".join(f"{ROW} {row + 1}{COLON}{told_row(row, places)}" for row in range(SIDE))
        return Scene(
            told=told,
            question=question,
            thoughts=thoughts,
            answer=str(answer),
            parts={"places": places},
        )

    def paint(self, canvas: Canvas, parts: Mapping[str, Any], rng: Random) -> dict[int, str]:
        """Each thing in its cell, given as (row, column)."""
        for (row, column), thing in parts["places"].items():
            colour, shape = thing.split()
            canvas.shape(shape, COLOURS[colour], (column, row), rng)
        return {row * SIDE + column: thing for (row, column), thing in parts["places"].items()}


def asked_for(rng: Random, level: int, colours: list[str], things: list[str]) -> str:
    """A kind, or from level 3 on also a shape or a thing."""
    if level < 3:
        return f" {rng.choice(colours)}"
    return rng.choice((f" {rng.choice(colours)}", f" {rng.choice(SHAPES)}", rng.choice(things)))


def count(kind: str, places: Mapping[tuple[int, int], str], rows: int) -> int:
    """How many are of a kind in the first rows."""
    wanted = {*kind.split()}
    return sum(row < rows and wanted <= {*thing.split()} for (row, _), thing in places.items())


def running(kind: str, places: Mapping[tuple[int, int], str]) -> str:
    """The counts up to each row."""
    rows = range(1, SIDE + 1)
    return "".join(f"{ROW} {row}{COLON} {count(kind, places, row)}" for row in rows)


def told_row(row: int, places: Mapping[tuple[int, int], str]) -> str:
    """What stands in a row, from the left."""
    return "".join(places.get((row, column), EMPTY) for column in range(SIDE))
