"""Make 24 by choosing signs: a search task in which trying, checking and trying again pays.

    prompt    " 25 a2 b1 c1 d3:"                       start 25, operands a=2 b=1 c=1 d=3
    response  "<think>+a 27-b 26+c 27-d 24 yes</think>\\boxed{+a-b+c-d}"

A trial writes the running totals and a verdict; after " no" the next trial follows. A random sign
pattern is right with probability 0.32 at level 1 and 0.11 at level 5, so that accuracy is a matter
of searching longer, or of guessing better: what Fig. 5 and 6 of k1.5 show on mathematics.
"""

from __future__ import annotations

import re
from random import Random
from typing import TYPE_CHECKING

from k15.tasks.base import Task
from k15.tasks.patches import COLUMNS, written_in_patches
from k15.types import Problem

if TYPE_CHECKING:
    from PIL.Image import Image

TARGET, LARGEST = 24, 48
LABELS = "abcdef"
DIGITS = (1, 2, 3)
ANSWER = re.compile(r"</think>\\boxed\{((?:[+-][a-f])+)\}\s*$")
ROWS = 2  # of eight patches


class Make24(Task):
    """Level L has L + 1 operands; right is every sign pattern that reaches 24."""

    name = "make24"
    picture_prompt = ":"

    @property
    def words(self) -> tuple[str, ...]:
        """Signed labels, labelled digits and the numbers 0-48; 123 words."""
        signed = [sign + label for label in LABELS for sign in "+-"]
        operands = [f" {label}{digit}" for label in LABELS for digit in range(1, 10)]
        numbers = [f" {number}" for number in range(LARGEST + 1)]
        return (
            "<think>",
            "</think>",
            "\\boxed{",
            "}",
            ":",
            " no",
            " yes",
            *signed,
            *operands,
            *numbers,
        )

    def sample(self, rng: Random, level: int) -> Problem:
        """Drawn backwards from a right answer; every running total stays within 0-48."""
        if not 1 <= level < len(LABELS):
            raise ValueError(f"task.levels: make24 has levels 1 to {len(LABELS) - 1}, not {level}")
        while True:
            values = [rng.choice(DIGITS) for _ in range(level + 1)]
            signs = [rng.choice((1, -1)) for _ in values]
            start = TARGET - sum(s * v for s, v in zip(signs, values, strict=True))
            if start - sum(values) >= 0 and start + sum(values) <= LARGEST:
                break
        operands = "".join(f" {label}{v}" for label, v in zip(LABELS, values, strict=False))
        return Problem(
            id="",
            prompt=({"role": "user", "content": f" {start}{operands}:"},),
            answer=pattern(signs),
            difficulty=level,
            meta={"start": start, "values": tuple(values)},
        )

    def demonstrate(  # type: ignore[override]
        self, problem: Problem, rng: Random, *, max_trials: int = 4, give_up: float = 0.5
    ) -> str:
        """Tries sign patterns in random order and answers the last one it tried: at most
        `max_trials`, and after a failed one it stops with probability `give_up`.
        """
        start, values = problem.meta["start"], problem.meta["values"]
        untried = list(range(2 ** len(values)))
        rng.shuffle(untried)
        thought = ""
        for number in untried[:max_trials]:
            signs = [1 if number >> i & 1 else -1 for i in range(len(values))]
            total = start
            for label, sign, value in zip(LABELS, signs, values, strict=False):
                total += sign * value
                thought += f"{'+' if sign > 0 else '-'}{label} {total}"
            thought += " yes" if total == TARGET else " no"
            if total == TARGET or rng.random() < give_up:
                break
        return f"<think>{thought}</think>\\boxed{{{pattern(signs)}}}"

    def check(self, problem: Problem, response: str) -> float:
        """1.0 if the boxed signs name every operand in order and the total is 24."""
        match = ANSWER.search(response)
        if match is None:
            return 0.0
        start, values = problem.meta["start"], problem.meta["values"]
        answer = match[1]
        if answer[1::2] != LABELS[: len(values)]:
            return 0.0
        signs = [1 if sign == "+" else -1 for sign in answer[::2]]
        return float(start + sum(s * v for s, v in zip(signs, values, strict=True)) == TARGET)

    def draw(self, problem: Problem, rng: Random) -> tuple[Image, dict[int, str]]:
        """28 x 112 pixels: the start in the first patch, the operands one per patch below it."""
        operands = (
            f" {label}{v}" for label, v in zip(LABELS, problem.meta["values"], strict=False)
        )
        patch_words = {0: f" {problem.meta['start']}", **dict(enumerate(operands, COLUMNS))}
        return written_in_patches(patch_words, ROWS, rng), patch_words


def pattern(signs: list[int]) -> str:
    """`[1, -1]` as `+a-b`."""
    named = zip(signs, LABELS, strict=False)
    return "".join(f"{'+' if sign > 0 else '-'}{label}" for sign, label in named)
