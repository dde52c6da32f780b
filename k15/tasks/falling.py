"""Object interaction: a ball falls onto ramps, and slides; in which column does it land?

    picture   a ball above a field of 4 x 4 cells with ramps, falling left (/) or right (\\)
    question  "The ball falls; a ramp moves it one column to its lower side. Where does it land?"
    response  "<think> 2 2 3 3 4</think>\\boxed{4}"    its column above, and behind each row

A ramp at a wall whose lower side is the wall lets the ball fall straight on.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from random import Random
from typing import Any

from k15.tasks.drawing import BLACK, COLOURS, Canvas
from k15.tasks.pictured import FRAME, PicturedTask, Scene, numbers

COLUMNS, ROWS = 4, 4  # of the ramps; above them is the ball's row
BALL, LEFT, RIGHT, FREE, ROW = " ball", " /", " \\", " .", ":"
TURNS = {LEFT: -1, RIGHT: 1, FREE: 0}
QUESTION = (
    " The ball falls. A ramp moves it one column, to the ramp's lower side; next to a wall it "
    "falls straight on. In which column does it land, counted from the left?"
)
RAMPS = {1: (1, 3), 2: (4, 6), 3: (6, 8), 4: (8, 11), 5: (11, 15)}  # fewest and most


class FallingBall(PicturedTask):
    """Level L has more ramps: 1 to 3 at level 1, 11 to 15 at level 5. In half of the scenes or more
    the ball lands elsewhere than below where it was.
    """

    name = "falling"
    rows = ROWS + 1

    @property
    def words(self) -> tuple[str, ...]:
        """Ball, ramps, columns."""
        return (*FRAME, BALL, LEFT, RIGHT, FREE, ROW, QUESTION, *numbers(COLUMNS)[2:])

    def scene(self, rng: Random, level: int) -> Scene:
        """Of three draws one that moves the ball, if there is one."""
        for _ in range(3):
            cells = rng.sample([*product(range(ROWS), range(COLUMNS))], rng.randint(*RAMPS[level]))
            ramps = {cell: rng.choice((LEFT, RIGHT)) for cell in sorted(cells)}
            way = fall(start := rng.randrange(COLUMNS), ramps)
            if way[-1] != start:
                break
        rows = ("".join(ramps.get((r, c), FREE) for c in range(COLUMNS)) for r in range(ROWS))
        return Scene(
            told=f"{BALL} {start + 1}{''.join(f'{ROW}{row}' for row in rows)}",
            question=QUESTION,
            thoughts="".join(f" {column + 1}" for column in way),
            answer=str(way[-1] + 1),
            parts={"start": start, "ramps": ramps},
        )

    def paint(self, canvas: Canvas, parts: Mapping[str, Any], rng: Random) -> dict[int, str]:
        """The ball in the first row, ramps below it."""
        canvas.grid()
        canvas.shape("circle", COLOURS["red"], (parts["start"], 0), rng)
        for (row, column), ramp in parts["ramps"].items():
            low, high = (column, row + 1.85), (column + 1, row + 1.15)
            if ramp == RIGHT:
                low, high = (column + 1, row + 1.85), (column, row + 1.15)
            canvas.line(high, low, BLACK, 2 / 14)
        placed = {(row + 1) * COLUMNS + c: ramp for (row, c), ramp in parts["ramps"].items()}
        return {parts["start"]: BALL, **placed}


def fall(column: int, ramps: Mapping[tuple[int, int], str]) -> list[int]:
    """The ball's column above the first row, and behind each."""
    way = [column]
    for row in range(ROWS):
        turned = way[-1] + TURNS[ramps.get((row, way[-1]), FREE)]
        way.append(turned if 0 <= turned < COLUMNS else way[-1])
    return way
