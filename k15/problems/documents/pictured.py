"""Documents with drawn pictures, and nothing to download: captions, interleaved ones, questions,
and what is to be read.

    Captions      [picture] " a red circle, a blue square."
    Interleaved   [picture] " a red circle." [picture] " a blue square." ...
    Told          [picture] " top left: red circle."    what a visual task shows, in its words
    Questions     [picture] " what is left of the blue square?" → " a red circle."
    Reading       [picture] " text:" → " 25 a2 b1"      as a task draws its questions
    Words         [picture] " text:" → " b1 27 a3"      any of its words
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from k15.config.errors import ConfigError
from k15.problems.documents.distortion import Blank, Distortion
from k15.problems.documents.source import Demonstration, Item
from k15.problems.documents.templated import MARK
from k15.questions import Split, under_picture
from k15.tasks.base import Task
from k15.tasks.patches import fits, written_in_patches
from k15.tasks.scenes import COLOURS, RELATIONS, SHAPES, Scene, counted, drawn, scene
from k15.types import Document, Problem

if TYPE_CHECKING:
    from PIL.Image import Image

DIGITS = tuple(f" {digit}" for digit in range(10))


class Drawn(ABC):
    """Endless scenes of `rows` x `columns` cells, `cell` pixels wide, with up to `most` shapes.

    Pictures go through `distortion`. What is held out are other scenes.
    """

    name: str
    words: tuple[str, ...] = (
        " a", " no", " the", " what is", " how many", " shapes", ",", ".", "?",
        *(f" {word}" for word in (*COLOURS, *SHAPES, *RELATIONS)),
        *(f" {number}" for number in range(10)),
    )  # fmt: skip

    def __init__(
        self,
        *,
        rows: int = 2,
        columns: int = 8,
        cell: int = 14,
        most: int = 3,
        distortion: Distortion | Blank | None = None,
    ) -> None:
        self.rows, self.columns, self.cell, self.most = rows, columns, cell, most
        self.distortion = distortion

    @abstractmethod
    def document(self, id: str, rng: Random) -> Document | Demonstration:
        """One document."""

    def read(
        self, first: int = 0, split: Split = "train", turn: int = 0
    ) -> Iterator[tuple[int, Item]]:
        """As `DocumentSource.read`; documents do not end."""
        for number in count(first):
            id = f"{self.name}-{split}-{number}"
            yield number, self.document(id, Random(id))

    def pictured(self, rng: Random) -> tuple[Scene, Image]:
        """A scene and its picture."""
        made = scene(rng, self.rows, self.columns, self.most)
        picture = drawn(made, rng, self.cell)
        return made, picture if self.distortion is None else self.distortion(picture, rng)


class Captions(Drawn):
    """What there is, in reading order; of two things in a line, how one lies to the other."""

    name = "captions"

    def document(self, id: str, rng: Random) -> Document:
        """As `Drawn.document`."""
        made, picture = self.pictured(rng)
        return Document(id=id, parts=(None, caption(made, rng)), images=(picture,))


class Descriptions(Drawn):
    """Captions without their pictures: what a language model has to know before it can be shown
    any.
    """

    name = "descriptions"

    def document(self, id: str, rng: Random) -> Document:
        """As `Drawn.document`."""
        made = scene(rng, self.rows, self.columns, self.most)
        return Document(id=id, parts=(caption(made, rng),))


class Interleaved(Drawn):
    """Several pictures, each with its caption behind it."""

    name = "interleaved"

    def document(self, id: str, rng: Random) -> Document:
        """As `Drawn.document`; two to four pictures."""
        shown = [self.pictured(rng) for _ in range(rng.randint(2, 4))]
        parts = [part for made, _ in shown for part in (None, caption(made, rng))]
        return Document(id=id, parts=tuple(parts), images=tuple(image for _, image in shown))


class Questions(Drawn):
    """A question about a scene: of a relation, a number or a colour. Only the answer is learned, so
    `val/sequence_accuracy/questions` is how often it is right.
    """

    name = "questions"

    def document(self, id: str, rng: Random) -> Demonstration:
        """As `Drawn.document`."""
        made, picture = self.pictured(rng)
        return asked(id, picture, *question(made, rng))


class Told:
    """Scenes of a visual task and what it would say in their place (`meta["caption"]`); `levels` in
    place of the task's.
    """

    def __init__(self, task: Task, *, levels: Sequence[int] | None = None) -> None:
        self.task = task.variant("image", levels)
        self.words = task.words

    def read(
        self, first: int = 0, split: Split = "train", turn: int = 0
    ) -> Iterator[tuple[int, Item]]:
        """As `DocumentSource.read`; documents do not end. Raises ConfigError for a task without
        pictured scenes.
        """
        for number in count(first):
            problem = self.task.problem(number, split)
            if "caption" not in problem.meta:
                raise ConfigError(
                    f"task={self.task.name}: has no scenes to be told; take one of docs/vision.md, "
                    "such as task=objects"
                )
            parts = (None, problem.meta["caption"])
            yield number, Document(id=f"{problem.id}-told", parts=parts, images=problem.images)


class Read(ABC):
    """Pictures of words, to be read in order. As of quotes only the words are learned, so
    `val/sequence_accuracy` is how often all of them are right.
    """

    def __init__(self, task: Task, *, distortion: Distortion | Blank | None = None) -> None:
        self.task = task
        self.words = (*task.words, MARK) if task.words else ()
        self.distortion = distortion

    @abstractmethod
    def page(self, number: int, split: Split) -> tuple[str, Image, list[str], Random]:
        """An id, the picture, the words in it, and what further chance comes from."""

    def read(
        self, first: int = 0, split: Split = "train", turn: int = 0
    ) -> Iterator[tuple[int, Item]]:
        """As `DocumentSource.read`; documents do not end."""
        for number in count(first):
            id, picture, words, rng = self.page(number, split)
            if self.distortion is not None:
                picture = self.distortion(picture, rng)
            yield number, asked(id, picture, MARK, "".join(words))


class Reading(Read):
    """What a task draws as its questions (`Task.draw`)."""

    def page(self, number: int, split: Split) -> tuple[str, Image, list[str], Random]:
        """As `Read.page`."""
        problem, rng = self.task.asked(number, split)
        picture, words = self.task.draw(problem, rng)
        return f"{problem.id}-read", picture, [words[patch] for patch in sorted(words)], rng


class Words(Read):
    """`least` to `most` words of a task in a row as wide as they are: what teaches a tower to see
    each of them.
    """

    def __init__(
        self,
        task: Task,
        *,
        least: int = 1,
        most: int = 1,
        distortion: Distortion | Blank | None = None,
    ) -> None:
        super().__init__(task, distortion=distortion)
        self.alphabet = tuple(word for word in task.words if fits(word)) or DIGITS
        self.words = (*self.words, *self.alphabet) if task.words else ()
        self.least, self.most = least, most

    def page(self, number: int, split: Split) -> tuple[str, Image, list[str], Random]:
        """As `Read.page`."""
        id = f"words-{split}-{number}"
        rng = Random(f"{id} {self.least} {self.most}")
        chosen = rng.choices(self.alphabet, k=rng.randint(self.least, self.most))
        return id, written_in_patches(dict(enumerate(chosen)), 1, rng, len(chosen)), chosen, rng


def asked(id: str, picture: Image, text: str, answer: str) -> Demonstration:
    """A question about a picture with its answer, which alone is learned."""
    prompt = ({"role": "user", "content": under_picture(text)},)
    return Demonstration(Problem(id=id, prompt=prompt, answer=answer, images=(picture,)), answer)


def caption(made: Scene, rng: Random) -> str:
    """A sentence about a scene."""
    one, other = rng.sample(made.things, 2) if len(made.things) > 1 else (made.things[0],) * 2
    if (relation := made.relation(one, other)) and one != other and rng.random() < 0.5:
        return f" a {one.name} {relation} a {other.name}."
    return ",".join(f" a {thing.name}" for thing in made.things) + "."


def question(made: Scene, rng: Random) -> tuple[str, str]:
    """A question and its answer."""
    one, other = rng.sample(made.things, 2) if len(made.things) > 1 else (made.things[0],) * 2
    relation = made.relation(one, other)
    if relation and one != other and rng.random() < 0.5:
        clear = [t for t in made.things if made.relation(t, other) == relation and t != other]
        if len(clear) == 1:
            return f" what is {relation} the {other.name}?", f" a {one.name}."
    colour = rng.choice([*COLOURS])
    return f" how many {colour} shapes?", f" {counted(made.things, colour)}."
