"""Chains of small sums: right only if every step is, so that a level is as hard as it is long.

    prompt    " 7 k3 l1 m2:"                       start 7; steps k, l and m add 3, 1 and 2
    response  " k 0 l 1 m 3"                       the last digit of the total behind each step
              " k 0 check ok l 1 m 3 check ok"     the same with idle checks
              " m 9 k 0 l 8"                       in free order, where each step adds to the start

A policy that gets a step right with probability q solves level L with q^L: easy levels often, long
ones almost never, while what has to be learnt is one skill. So curricula (k1.5 Fig. 9), negative
gradients (Fig. 10) and length that is the policy's own choice (Fig. 7) can show here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from random import Random
from string import ascii_lowercase
from typing import TYPE_CHECKING, Literal

from k15.tasks.base import Task
from k15.tasks.patches import written_in_patches
from k15.types import Problem

if TYPE_CHECKING:
    from PIL.Image import Image

LABELS = ascii_lowercase[:20]
LONGEST = 16  # steps: behind the last one the next label is not in the prompt
DIGITS = (1, 2, 3)  # what a step adds
VALUES = range(10)  # the last digit of a total
CHECK = " check ok"
STEP = re.compile(rf" ([{LABELS}]) (\d)(?:{CHECK})*")
ROWS = 3  # of eight patches


class Chain(Task):
    """Level L has L steps, whose labels follow one another from a random one on.

    With `free_order` each step adds to the start instead of to the step before it, and the steps
    may be answered in any order: L! answers are right.
    """

    name = "chain"
    picture_prompt = ":"

    def __init__(
        self,
        *,
        levels: Sequence[int] = (1, 2, 3, 4, 5, 6),
        modality: Literal["text", "image"] = "text",
        seed: int = 0,
        free_order: bool = False,
    ) -> None:
        super().__init__(levels=levels, modality=modality, seed=seed)
        self.free_order = free_order

    @property
    def words(self) -> tuple[str, ...]:
        """Labels, values, and the steps of prompts; 93 words."""
        labels = [f" {label}" for label in LABELS]
        values = [f" {value}" for value in VALUES]
        steps = [f" {label}{digit}" for label in LABELS for digit in DIGITS]
        return (":", " check", " ok", *labels, *values, *steps)

    def sample(self, rng: Random, level: int) -> Problem:
        """A start, and `level` labels with a digit each."""
        if not 1 <= level <= LONGEST:
            raise ValueError(f"task.levels: chain has levels 1 to {LONGEST}, not {level}")
        first, start = rng.randrange(len(LABELS)), rng.choice(VALUES)
        steps = {LABELS[(first + i) % len(LABELS)]: rng.choice(DIGITS) for i in range(level)}
        asked = "".join(f" {label}{digit}" for label, digit in steps.items())
        right = values_of(start, steps, free_order=self.free_order)
        return Problem(
            id="",
            prompt=({"role": "user", "content": f" {start}{asked}:"},),
            answer=written(right),
            difficulty=level,
            meta={"start": start, "steps": steps},
        )

    def demonstrate(  # type: ignore[override]
        self, problem: Problem, rng: Random, *, error: float = 0.0, waste: float = 0.0
    ) -> str:
        """Each step gets a wrong value with probability `error`, from which a chain goes on; behind
        it stands an idle check with probability `waste`, and behind each check another one.
        """
        steps = list(problem.meta["steps"].items())
        if self.free_order:
            rng.shuffle(steps)
        value, response = problem.meta["start"], ""
        for label, digit in steps:
            before = problem.meta["start"] if self.free_order else value
            value = (before + digit) % len(VALUES)
            if rng.random() < error:
                value = rng.choice([other for other in VALUES if other != value])
            response += f" {label} {value}"
            while rng.random() < waste:
                response += CHECK
        return response

    def check(self, problem: Problem, response: str) -> float:
        """1.0 if each step stands there once, with its value and, unless the order is free, in its
        place; idle checks do not count.
        """
        found = STEP.findall(response)
        right = values_of(problem.meta["start"], problem.meta["steps"], free_order=self.free_order)
        wanted = [(label, str(value)) for label, value in right.items()]
        if self.free_order:
            found, wanted = sorted(found), sorted(wanted)
        return float(found == wanted and STEP.sub("", response) == "")

    def draw(self, problem: Problem, rng: Random) -> tuple[Image, dict[int, str]]:
        """42 x 112 pixels: the start in the first patch, then a step in each."""
        asked = (f" {label}{digit}" for label, digit in problem.meta["steps"].items())
        patch_words = dict(enumerate((f" {problem.meta['start']}", *asked)))
        return written_in_patches(patch_words, ROWS, rng), patch_words


def values_of(start: int, steps: Mapping[str, int], *, free_order: bool) -> dict[str, int]:
    """The right value of each step: the last digit of the total, or of start and step."""
    values, total = {}, start
    for label, digit in steps.items():
        total = (start if free_order else total) + digit
        values[label] = total % len(VALUES)
    return values


def written(values: Mapping[str, int]) -> str:
    """`{"k": 0, "l": 5}` as ` k 0 l 5`."""
    return "".join(f" {label} {value}" for label, value in values.items())
