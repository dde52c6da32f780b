"""Procedural tasks: endless problems with answers, pictures and demonstrations; nothing to
download.

A new task is one small class: `words`, `sample`, `demonstrate`, `check`, and `draw` if it has a
picture form.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Literal

from k15.types import Problem

if TYPE_CHECKING:
    from PIL.Image import Image

Split = Literal["train", "held_out"]
HELD_OUT_SHARE = 10  # one prompt in ten is held out
TRIES = 10_000


class Task(ABC):
    """A family of problems, seeded and endless.

    The split goes by a hash of the question, so that no question is ever on both sides,
    whatever the seed. `modality="image"` asks the same questions as pictures.
    """

    name: str
    picture_prompt: str = ""
    """What is written after the picture."""

    def __init__(
        self,
        *,
        levels: Sequence[int] = (1, 2, 3, 4, 5),
        modality: Literal["text", "image"] = "text",
        seed: int = 0,
    ) -> None:
        if modality not in ("text", "image"):
            raise ValueError(f"task.modality={modality!r}: choose text or image")
        if not levels:
            raise ValueError("task.levels is empty: give at least one level, 1 is easiest")
        self.levels = tuple(levels)
        self.modality = modality
        self.seed = seed

    @property
    @abstractmethod
    def words(self) -> tuple[str, ...]:
        """Every word of prompts and demonstrations: the tiny tokenizer's vocabulary."""

    @abstractmethod
    def sample(self, rng: Random, level: int) -> Problem:
        """One problem as text; `id` is set by `problem`."""

    @abstractmethod
    def demonstrate(self, problem: Problem, rng: Random, *, max_trials: int, give_up: float) -> str:
        """A response as a solver of limited patience would write it.

        It tries at most `max_trials` times and stops after a failed trial with probability
        `give_up`.
        """

    @abstractmethod
    def check(self, problem: Problem, response: str) -> float:
        """1.0 if the response ends in a right answer, else 0.0; never raises on any text."""

    def draw(self, problem: Problem, rng: Random) -> tuple[Image, dict[int, str]]:
        """The question as a picture, and which word stands in which patch (row-major)."""
        raise ValueError(f"task {self.name!r} has no picture form; use task.modality=text")

    def problem(self, index: int, split: Split = "train") -> Problem:
        """Problem number `index` of a split: the same for the same seed, on any machine.

        `meta["twin"]` is the question itself: its text and its picture form have it in common.
        """
        rng = Random(f"{self.name} {self.seed} {split} {index}")
        drawn = (self.sample(rng, rng.choice(self.levels)) for _ in range(TRIES))
        problem = next((p for p in drawn if is_held_out(p) == (split == "held_out")), None)
        if problem is None:
            raise ValueError(
                f"task {self.name!r}: {TRIES} questions and none in the {split} split; "
                "the task has too few different questions"
            )
        problem = replace(
            problem,
            id=f"{self.name}-{split}-{self.seed}-{index}",
            meta={**problem.meta, "twin": f"{self.name}{problem.prompt[-1]['content']}"},
        )
        return problem if self.modality == "text" else self._as_picture(problem, rng)

    def _as_picture(self, problem: Problem, rng: Random) -> Problem:
        picture, patch_words = self.draw(problem, rng)
        content = [{"type": "image"}, {"type": "text", "text": self.picture_prompt}]
        return replace(
            problem,
            prompt=({"role": "user", "content": content},),
            images=(picture,),
            domain="vision",
            meta={**problem.meta, "patch_words": patch_words},
        )


def is_held_out(problem: Problem) -> bool:
    """Whether a question belongs to the held-out split."""
    content = problem.prompt[-1]["content"]
    if not isinstance(content, str):
        content = "".join(item.get("text", "") for item in content)
    return int(hashlib.md5(content.encode()).hexdigest(), 16) % HELD_OUT_SHARE == 0
