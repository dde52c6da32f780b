"""Objects: what is where, and what is it like?

picture   coloured shapes on a field of 2 x 2 cells
question  "What colour is the circle?"
response  "<think> top left: red circle. bottom left: blue square.</think>\\boxed{red}"
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from k15.tasks.drawing import COLOURS, SHAPES, THINGS, Canvas
from k15.tasks.pictured import FRAME, PicturedTask, Scene

PLACES = (" top left", " top right", " bottom left", " bottom right")
BESIDE = {" left of": 1, " right of": -1, " above": 2, " below": -2}
"""Relations, and how many cells further the thing lies that one is seen from."""
COLON, STOP, END = ":", ".", "?"
COLOUR_OF, SHAPE_OF, THING = " What colour is the", " What shape is the", " thing"
WHERE, LIES, THE, SAME = " Where is the", " What lies", " the", " What has the same"
AS = " as the"
COUNTS = {1: (1, 1), 2: (2, 3), 3: (4, 4), 4: (4, 4), 5: (4, 4)}  # things on the field

Places = Mapping[int, str]
"""Things by their cell, row-major."""


class Objects(PicturedTask):
    """Level 1: one thing's colour, shape or corner; 2: the colour or shape of one of two or three,
    given the other; 3: which of four lies in a corner; 4: beside another; 5: has something in
    common with another.
    """

    name = "objects"
    columns = rows = 2

    @property
    def words(self) -> tuple[str, ...]:
        """Things, their colours and shapes, places, relations."""
        attributes = (*COLOURS, *SHAPES)
        answers = (*attributes, *(text.strip() for text in (*THINGS, *PLACES)))
        phrases = (COLON, STOP, END, COLOUR_OF, SHAPE_OF, THING, WHERE, LIES, THE, SAME, AS)
        asked = (*(f" {word}" for word in attributes), *PLACES, *BESIDE, " colour", " shape")
        return (*FRAME, *phrases, *asked, *THINGS, *answers)

    def scene(self, rng: Random, level: int) -> Scene:
        """Drawn until the question has one answer."""
        asked = (only, attribute, corner, beside, alike)[level - 1]
        found: tuple[str, str] | None = None
        while found is None:
            number = rng.randint(*COUNTS[level])
            cells = sorted(rng.sample(range(4), number))
            places = dict(zip(cells, rng.sample(THINGS, number), strict=True))
            found = asked(rng, places)
        told = "".join(f"{PLACES[cell]}{COLON}{thing}{STOP}" for cell, thing in places.items())
        question, answer = found
        return Scene(
            told=told,
            question=f"{question}{END}",
            thoughts=told,
            answer=answer,
            parts={"places": places},
        )

    def paint(self, canvas: Canvas, parts: Mapping[str, Any], rng: Random) -> dict[int, str]:
        """Each thing in its cell."""
        for cell, thing in parts["places"].items():
            colour, shape = thing.split()
            row, column = divmod(cell, self.columns)
            canvas.shape(shape, COLOURS[colour], (column, row), rng)
        return dict(parts["places"])


def only(rng: Random, places: Places) -> tuple[str, str]:
    """The colour, shape or corner of the only thing."""
    ((cell, thing),) = places.items()
    colour, shape = thing.split()
    answers = {COLOUR_OF: colour, SHAPE_OF: shape, WHERE: PLACES[cell].strip()}
    question = rng.choice([*answers])
    return f"{question}{THING}", answers[question]


def attribute(rng: Random, places: Places) -> tuple[str, str] | None:
    """The colour of a shape, or the shape of a colour; None if two things have one in common."""
    things = [thing.split() for thing in places.values()]
    if any(len({*values}) < len(things) for values in zip(*things, strict=True)):
        return None
    colour, shape = rng.choice(things)
    if rng.random() < 0.5:
        return f"{COLOUR_OF} {shape}", colour
    return f"{SHAPE_OF} {colour}{THING}", shape


def corner(rng: Random, places: Places) -> tuple[str, str]:
    """What lies in a corner."""
    cell = rng.choice([*places])
    return f"{LIES}{PLACES[cell]}", places[cell].strip()


def beside(rng: Random, places: Places) -> tuple[str, str] | None:
    """What lies beside something, on a full field; None if that side is its edge."""
    relation, cell = rng.choice([*BESIDE]), rng.choice([*places])
    seen_from = cell + BESIDE[relation]
    along = cell // 2 == seen_from // 2 if abs(BESIDE[relation]) == 1 else True
    if seen_from not in places or not along:
        return None
    return f"{LIES}{relation}{THE}{places[seen_from]}", places[cell].strip()


def alike(rng: Random, places: Places) -> tuple[str, str] | None:
    """What has the colour or shape of something; None if not exactly one other thing has."""
    one = rng.choice([*places.values()])
    which = rng.randrange(2)
    others = [
        thing
        for thing in places.values()
        if thing != one and thing.split()[which] == one.split()[which]
    ]
    kind = (" colour", " shape")[which]
    return (f"{SAME}{kind}{AS}{one}", others[0].strip()) if len(others) == 1 else None
