"""Tasks about a drawn scene: the question is text, and what it is about is a picture.

Their text form describes the scene in words instead; so a policy can be taught what to do with a
scene before it can see, and a question has a twin in either form.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from k15.tasks.base import Task
from k15.tasks.drawing import Canvas
from k15.tasks.thoughts import conclusion
from k15.types import Problem

if TYPE_CHECKING:
    from PIL.Image import Image

BOX = re.compile(r"\\boxed\{([^{}]*)\}")
BOXED = " Put the answer in \\boxed{}."
FRAME = ("<think>", "</think>", "\\boxed{", "}", BOXED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is to be seen, and what is asked about it; all texts are made of the task's words."""

    told: str
    """The scene in words."""
    question: str
    thoughts: str
    """What a solver reads off, step by step."""
    answer: str
    parts: Mapping[str, Any] = field(default_factory=dict)
    """What `paint` needs."""


class PicturedTask(Task):
    """A subclass says what a level's scenes are, and how one is painted.

    `scale` enlarges pictures: 1 is for the tiny vision tower, 14 pixels a cell; a real model wants
    4 or more. Right is the last box behind all thoughts, whatever its case and spaces.

    Raises ValueError for a scale below 1.
    """

    highest: ClassVar[int] = 5
    columns: ClassVar[int] = 4
    rows: ClassVar[int] = 4

    def __init__(
        self,
        *,
        levels: Sequence[int] = (1, 2, 3, 4, 5),
        modality: Literal["text", "image"] = "image",
        scale: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(levels=levels, modality=modality, seed=seed)
        if scale < 1:
            raise ValueError(f"task.scale={scale}: must be at least 1")
        self.scale = scale

    @abstractmethod
    def scene(self, rng: Random, level: int) -> Scene:
        """A scene with a question of the level."""

    @abstractmethod
    def paint(self, canvas: Canvas, parts: Mapping[str, Any], rng: Random) -> dict[int, str]:
        """Draw a scene's parts; which word stands in which cell (row-major), where one does."""

    def sample(self, rng: Random, level: int) -> Problem:
        """The scene in words, then the question."""
        if not 1 <= level <= self.highest:
            raise ValueError(
                f"task.levels: {self.name} has levels 1 to {self.highest}, not {level}"
            )
        scene = self.scene(rng, level)
        question = f"{scene.question}{BOXED}"
        return Problem(
            id="",
            prompt=({"role": "user", "content": f"{scene.told}{question}"},),
            answer=scene.answer,
            difficulty=level,
            meta={
                "asked": question,
                "caption": scene.told,
                "thoughts": scene.thoughts,
                "parts": scene.parts,
            },
        )

    def demonstrate(self, problem: Problem, rng: Random) -> str:  # type: ignore[override]
        """What is read off, then the answer; there is nothing to search."""
        return f"<think>{problem.meta['thoughts']}</think>\\boxed{{{problem.answer}}}"

    def check(self, problem: Problem, response: str) -> float:
        """1.0 if the last box behind all thoughts holds the answer."""
        boxes = BOX.findall(conclusion(response))
        return float(bool(boxes) and plain(boxes[-1]) == problem.answer)

    def draw(self, problem: Problem, rng: Random) -> tuple[Image, dict[int, str]]:
        """The scene's picture; words of patches are known at scale 1 alone."""
        canvas = Canvas(self.columns, self.rows, self.scale)
        patch_words = self.paint(canvas, problem.meta["parts"], rng)
        return canvas.image, patch_words if self.scale == 1 else {}


def plain(text: str) -> str:
    """In lower case, words parted by one space, a number without leading zeros."""
    text = " ".join(text.lower().split())
    return str(int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else text


def numbers(last: int) -> tuple[str, ...]:
    """The words for 0 to `last`, within a text and as an answer."""
    return tuple(f"{space}{n}" for n in range(last + 1) for space in (" ", ""))
