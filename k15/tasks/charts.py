"""Charts: bars, lines and pies are read.

picture   a bar chart of four colours on a grid of 8 steps
question  "How high is the red bar, in steps of the grid?"
response  "<think> red 5</think>\\boxed{5}"
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from random import Random
from typing import Any

from k15.tasks.drawing import BLACK, COLOURS, Canvas
from k15.tasks.pictured import FRAME, PicturedTask, Scene, numbers

STEPS = 8  # of the grid, half a cell each; a pie has as many shares
BARS, LINE, PIE = " A bar chart:", " A line chart:", " A pie chart:"
COMMA, STOP, MINUS, EQUALS, END = ",", ".", " -", " =", "?"
HIGH, HIGH_END = " How high is the", " bar, in steps of the grid?"
POINT, POINT_END = " How high is the line at point", " from the left, in steps of the grid?"
SHARE = " How many eighths of the pie are"
HIGHER, THAN = " By how many steps is the first of these bars higher:", " than"
HIGHEST = " What colour has the highest bar?"


class Charts(PicturedTask):
    """Level 1: the height of a bar; 2: of a line at a point; 3: a share of a pie; 4: by how much a
    bar is higher than another; 5: the colour of the highest bar, where others are nearly as high.
    """

    name = "charts"

    @property
    def words(self) -> tuple[str, ...]:
        """Colours, numbers to 8, questions."""
        colours = [f"{space}{colour}" for colour in COLOURS for space in (" ", "")]
        phrases: tuple[str, ...]
        phrases = (BARS, LINE, PIE, COMMA, STOP, MINUS, EQUALS, END, HIGH, HIGH_END, POINT)
        more = (POINT_END, SHARE, HIGHER, THAN, HIGHEST)
        return (*FRAME, *phrases, *more, *colours, *numbers(STEPS))

    def scene(self, rng: Random, level: int) -> Scene:
        """A chart of the level's kind."""
        colours = rng.sample([*COLOURS], len(COLOURS))
        if level == 2:
            return line(rng, colours[0])
        if level == 3:
            return pie(rng, colours[:3])
        values = [rng.randint(1, STEPS) for _ in colours]
        if level == 5:
            top = rng.randint(3, STEPS)
            values = [top, *(top - rng.randint(1, 2) for _ in colours[1:])]
        bars = dict(zip(colours, values, strict=True))
        chart = dict(rng.sample([*bars.items()], len(bars)))
        one, other = sorted(colours[:2], key=lambda c: -bars[c])
        if level == 1:
            question, thoughts = f"{HIGH} {one}{HIGH_END}", f" {one} {bars[one]}"
            answer = str(bars[one])
        elif level == 4:
            question = f"{HIGHER} {one}{THAN} {other}{END}"
            thoughts = f" {one} {bars[one]}{COMMA} {other} {bars[other]}{COMMA}"
            thoughts += f" {bars[one]}{MINUS} {bars[other]}{EQUALS}"
            answer = str(bars[one] - bars[other])
        else:
            question, thoughts, answer = HIGHEST, listed(chart), colours[0]
        return Scene(
            told=f"{BARS}{listed(chart)}{STOP}",
            question=question,
            thoughts=thoughts,
            answer=answer,
            parts={"kind": BARS, "chart": chart},
        )

    def paint(self, canvas: Canvas, parts: Mapping[str, Any], rng: Random) -> dict[int, str]:
        """The chart; no word stands for a patch of it."""
        chart = parts["chart"]
        if parts["kind"] == PIE:
            canvas.pie([(COLOURS[colour], share) for colour, share in chart.items()], STEPS)
            return {}
        canvas.grid(0.5)
        canvas.line((0, canvas.rows), (canvas.columns, canvas.rows), BLACK, 1 / 7)
        if parts["kind"] == LINE:
            points = [(n + 0.5, canvas.rows - value / 2) for n, value in enumerate(chart)]
            for start, end in pairwise(points):
                canvas.line(start, end, COLOURS[parts["colour"]], 2 / 14)
            return {}
        for number, (colour, value) in enumerate(chart.items()):
            corner = number + 0.2, canvas.rows - value / 2
            canvas.box(corner, (0.6, value / 2), COLOURS[colour])
        return {}


def listed(chart: Mapping[str, int]) -> str:
    """` red 5, blue 3`"""
    return COMMA.join(f" {name} {value}" for name, value in chart.items())


def line(rng: Random, colour: str) -> Scene:
    """Through one point per cell."""
    values = [rng.randint(0, STEPS) for _ in COLOURS]
    place = rng.randrange(len(values))
    return Scene(
        told=f"{LINE} {colour}{COMMA}{COMMA.join(f' {value}' for value in values)}{STOP}",
        question=f"{POINT} {place + 1}{POINT_END}",
        thoughts="".join(f" {value}" for value in values[: place + 1]),
        answer=str(values[place]),
        parts={"kind": LINE, "colour": colour, "chart": values},
    )


def pie(rng: Random, colours: list[str]) -> Scene:
    """Eighths, at least one of each colour."""
    cuts = [0, *sorted(rng.sample(range(1, STEPS), len(colours) - 1)), STEPS]
    shares = [end - start for start, end in pairwise(cuts)]
    chart = dict(zip(colours, shares, strict=True))
    asked = rng.choice(colours)
    return Scene(
        told=f"{PIE}{listed(chart)}{STOP}",
        question=f"{SHARE} {asked}{END}",
        thoughts=f" {asked} {chart[asked]}",
        answer=str(chart[asked]),
        parts={"kind": PIE, "chart": chart},
    )
