"""Word problems in plain English, for models that can read: how much is left after a few events?

    prompt    "Nora has 12 shells. Omar gives her 5 more. Nora loses 3 of them. How many shells
              does Nora have now? Put the answer in \\boxed{}."
    response  "12 + 5 = 17. 17 - 3 = 14. \\boxed{14}"

Level L has L events. Names, things, wordings and numbers are drawn independently, so that a level
has hundreds of thousands of distinct questions and cannot be learnt by heart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from k15.tasks.base import Task
from k15.tasks.thoughts import conclusion
from k15.types import Problem

HIGHEST = 5
LEAST = 10  # of the largest total
START, CHANGE = 50, 30  # numbers to start with, and that are added or taken away, lie below
BOX = re.compile(r"\\boxed\{\s*(-?\d+)\s*\}")
ASKED_FOR = "Put the answer in \\boxed{}."

PEOPLE = {
    "her": ("Nora", "Mia", "Lena", "Aisha", "Sofia", "Emma", "Yuki", "Zoe", "Priya", "Ada"),
    "him": ("Omar", "Ben", "Luca", "Ivan", "Kofi", "Hugo", "Ravi", "Noah", "Jonas", "Chen"),
}
THINGS = (
    "apples", "shells", "stamps", "marbles", "books", "coins", "pencils", "cards", "stickers",
    "buttons", "cookies", "beads", "photos", "stones", "flowers", "keys", "tickets", "eggs",
)  # fmt: skip
STARTS = (
    "{name} has {n} {things}.",
    "{name} starts with {n} {things}.",
    "There are {n} {things} in {name}'s bag.",
    "{name} collected {n} {things} last week.",
)
GAINS = (
    "{other} gives {whom} {k} more.",
    "{name} buys {k} more {things}.",
    "{name} finds another {k} {things}.",
    "Then {k} {things} come as a present from {other}.",
)
LOSSES = (
    "{name} gives {k} {things} to {other}.",
    "{name} loses {k} of them.",
    "{name} sells {k} {things} at the market.",
    "Then {other} takes away {k} of the {things}.",
)
MULTIPLES = (
    "{other} makes it {k} times as many.",
    "By the next day {name} has {k} times as many {things}.",
)
PARTS = (
    "{name} keeps only one {part} of them.",
    "Only one {part} of the {things} are still good, and the rest is thrown away.",
)
QUESTIONS = (
    "How many {things} does {name} have now?",
    "How many {things} are left with {name} in the end?",
    "What is the number of {things} that {name} has at the end?",
)
PART_NAMES = {2: "half", 3: "third", 4: "quarter", 5: "fifth"}


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of event: how it is told, what it does, which numbers it takes at a total where no
    total may be above the largest.
    """

    sign: str
    wordings: tuple[str, ...]
    apply: Callable[[int, int], int]
    numbers: Callable[[int, int], Sequence[int]]


KINDS = (
    Kind("+", GAINS, int.__add__, lambda n, most: range(2, min(CHANGE, most - n + 1))),
    Kind("-", LOSSES, int.__sub__, lambda n, most: range(2, min(CHANGE, n))),
    Kind("*", MULTIPLES, int.__mul__, lambda n, most: [k for k in (2, 3, 4) if n * k <= most]),
    Kind("/", PARTS, int.__floordiv__, lambda n, most: [k for k in PART_NAMES if n % k == 0]),
)


class WordProblems(Task):
    """Level L has L events, and no total is above `largest`; right is the last box that holds the
    final number.

    Raises ValueError for a `largest` that leaves nothing to happen.
    """

    name = "word_problems"

    def __init__(
        self,
        *,
        levels: Sequence[int] = (1, 2, 3),
        modality: Literal["text", "image"] = "text",
        seed: int = 0,
        largest: int = 200,
    ) -> None:
        super().__init__(levels=levels, modality=modality, seed=seed)
        if largest < LEAST:
            raise ValueError(f"task.largest={largest}: must be at least {LEAST}")
        self.largest = largest

    @property
    def words(self) -> tuple[str, ...]:
        """None: the questions are free text, for a tokenizer that knows English."""
        return ()

    def sample(self, rng: Random, level: int) -> Problem:
        """A start, `level` events and a question."""
        if not 1 <= level <= HIGHEST:
            raise ValueError(f"task.levels: {self.name} has levels 1 to {HIGHEST}, not {level}")
        whom = rng.choice([*PEOPLE])
        name = rng.choice(PEOPLE[whom])
        told = {"name": name, "whom": whom, "things": rng.choice(THINGS)}
        total = rng.randrange(3, min(START, self.largest))
        sentences, steps = [rng.choice(STARTS).format(n=total, **told)], []
        for _ in range(level):
            kind, k = _event(rng, total, self.largest)
            other = rng.choice([n for names in PEOPLE.values() for n in names if n != name])
            wording = rng.choice(kind.wordings)
            sentences.append(wording.format(k=k, part=PART_NAMES.get(k), other=other, **told))
            steps.append(f"{total} {kind.sign} {k} = {kind.apply(total, k)}.")
            total = kind.apply(total, k)
        question = " ".join([*sentences, rng.choice(QUESTIONS).format(**told), ASKED_FOR])
        return Problem(
            id="",
            prompt=({"role": "user", "content": question},),
            answer=str(total),
            difficulty=level,
            meta={"steps": tuple(steps)},
        )

    def demonstrate(self, problem: Problem, rng: Random) -> str:  # type: ignore[override]
        """The totals one after the other; there is nothing to search."""
        return " ".join([*problem.meta["steps"], f"\\boxed{{{problem.answer}}}"])

    def check(self, problem: Problem, response: str) -> float:
        """1.0 if the last box after all thoughts holds the number."""
        boxes = BOX.findall(conclusion(response))
        return float(bool(boxes) and boxes[-1].lstrip("0") == problem.answer)


def _event(rng: Random, total: int, largest: int) -> tuple[Kind, int]:
    """One that the total allows, and its number."""
    possible = [(kind, numbers) for kind in KINDS if (numbers := kind.numbers(total, largest))]
    kind, numbers = rng.choice(possible)
    return kind, rng.choice(numbers)
