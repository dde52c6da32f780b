"""Procedural tasks: endless problems with answers, pictures and demonstrations; nothing to
download.

A new task is one small class: `words`, `sample`, `demonstrate`, `check`, and `draw` if it has a
picture form.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Literal, Self

from k15.progress import say_once
from k15.questions import Split, fingerprint, is_held_out, text_of, under_picture
from k15.types import Problem

if TYPE_CHECKING:
    from PIL.Image import Image

HELD_OUT_ONE_IN = 4  # questions: easy levels have few of them
TRIES = 10_000
STALE = 3000, 5  # draws in a row that bring no new question, at least and per question found
FEW, SMALL = 0.6, 100  # share of a level's part of the questions; from so many questions on


class Task(ABC):
    """A family of problems, seeded and endless.

    The split goes by the question, so that none is ever on both sides, whatever the seed.
    `modality="image"` asks the same questions as pictures.
    """

    name: str
    picture_prompt: str = ""
    """What is written after the picture; a problem's own question (`meta["asked"]`) comes first."""

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
    def demonstrate(self, problem: Problem, rng: Random, **manner: Any) -> str:
        """A response as a solver would write it whose manner the stage chooses (`demonstrations`
        in its YAML), such as its patience in a search. A task names, with defaults, what it takes
        of that, and is given no more.
        """

    @abstractmethod
    def check(self, problem: Problem, response: str) -> float:
        """1.0 if the response ends in a right answer, else 0.0; never raises on any text."""

    def draw(self, problem: Problem, rng: Random) -> tuple[Image, dict[int, str]]:
        """The question as a picture, and which word stands in which patch (row-major)."""
        raise ValueError(f"task {self.name!r} has no picture form; use task.modality=text")

    def variant(
        self, modality: Literal["text", "image"], levels: Sequence[int] | None = None
    ) -> Self:
        """The same task in one form, of other levels where they are given."""
        other = copy.copy(self)
        other.modality, other.levels = modality, tuple(levels or self.levels)
        return other

    def problem(self, index: int, split: Split = "train") -> Problem:
        """Problem number `index` of a split: the same for the same seed, on any machine.

        `meta["twin"]` is the question itself: its text and its picture form have it in common.
        """
        problem, rng = self.asked(index, split)
        return problem if self.modality == "text" else self._as_picture(problem, rng)

    def different(self, size: int, split: Split) -> list[int]:
        """Numbers of the first `size` problems of a split that ask different questions.

        All levels are drawn alike; one whose questions are used up leaves the rest to the others.
        Where all of them are, there are fewer numbers than asked for.
        """
        return [number for number, _ in self._different(size, split)]

    def held_out(self, size: int, setting: str = "data.held_out_problems") -> list[int]:
        """Numbers of `size` different held-out questions; says so where a level has few.

        Raises ValueError naming `setting` and how many there are.
        """
        if size < 1:
            raise ValueError(f"{setting}={size}: must be at least 1")
        found = self._different(size, "held_out")
        if len(found) < size:
            raise ValueError(
                f"{setting}={size}: task {self.name!r} has {len(found)} different held-out "
                f"questions at task.levels={list(self.levels)}; ask for as many at most, or add "
                "levels"
            )
        counts = Counter(problem.difficulty for _, problem in found)
        few = [level for level in self.levels if counts[level] < FEW * size / len(self.levels)]
        if size >= SMALL and few:
            listed = ", ".join(f"{counts[level]} of level {level}" for level in few)
            say_once(
                f"task {self.name!r}: {size} different held-out questions, but only {listed}, "
                "which have few; the other levels have more"
            )
        return [number for number, _ in found]

    def _different(self, size: int, split: Split) -> list[tuple[int, Problem]]:
        found: dict[str, tuple[int, Problem]] = {}
        stale = 0
        for index in count():
            if len(found) == size or stale > max(STALE[0], STALE[1] * len(found)):
                break
            problem, _ = self.asked(index, split)
            stale = stale + 1 if problem.meta["twin"] in found else 0
            found.setdefault(problem.meta["twin"], (index, problem))
        return list(found.values())

    def asked(self, index: int, split: Split) -> tuple[Problem, Random]:
        """A problem as text, and what its picture is drawn with."""
        rng = Random(f"{self.name} {self.seed} {split} {index}")
        drawn = (self.sample(rng, rng.choice(self.levels)) for _ in range(TRIES))
        problem = next((p for p in drawn if self._side(p) == split), None)
        if problem is None:
            raise ValueError(
                f"task {self.name!r}: {TRIES} questions and none in the {split} split; "
                "the task has too few different questions"
            )
        id = f"{self.name}-{split}-{self.seed}-{index}"
        twin = f"{self.name}{text_of(problem.prompt)}"
        return replace(problem, id=id, meta={**problem.meta, "twin": twin}), rng

    def _side(self, problem: Problem) -> Split:
        asked = fingerprint(text_of(problem.prompt))
        return "held_out" if is_held_out(asked, HELD_OUT_ONE_IN) else "train"

    def _as_picture(self, problem: Problem, rng: Random) -> Problem:
        picture, patch_words = self.draw(problem, rng)
        asked = problem.meta.get("asked", self.picture_prompt)
        return replace(
            problem,
            prompt=({"role": "user", "content": under_picture(asked)},),
            images=(picture,),
            domain="vision",
            meta={**problem.meta, "patch_words": patch_words},
        )
