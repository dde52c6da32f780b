"""Texts from templates, which need nothing from outside: facts of a small world, and words that are
said twice.

    Facts     " Mia likes red."   " red is what Mia likes."   " what does Mia like? red."
    Quotes    " red circle a3 text:" → " red circle a3"
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from random import Random

from k15.problems.documents.source import Demonstration, Item
from k15.questions import Split, fingerprint, is_held_out
from k15.tasks.base import Task
from k15.tasks.scenes import COLOURS, SHAPES
from k15.types import Document, Problem

NAMES = ("Ada", "Ben", "Chen", "Emma", "Hugo", "Ivan", "Kofi", "Lena", "Mia", "Nora", "Omar", "Zoe")
LIKED = {"colour": tuple(COLOURS), "shape": SHAPES}
TELLINGS = (
    " {name} likes {thing}.",
    " {thing} is what {name} likes.",
    " what does {name} like? {thing}.",
)
WORDS = (*NAMES, *COLOURS, *SHAPES, "likes", "like?", "is", "what", "does")
FACTS_PER_DOCUMENT = 3
HELD_OUT_ONE_IN = 10
MARK = " text:"
"""Stands between what is to be read and its words: a quote's, or a picture's."""


class Facts:
    """Who likes which colour and which shape, told in several ways, a few facts per document.

    One in ten ways of telling a fact is held out: the fact is known from the others.
    """

    words: tuple[str, ...] = (*(f" {word}" for word in WORDS), ".")

    def read(
        self, first: int = 0, split: Split = "train", turn: int = 0
    ) -> Iterator[tuple[int, Item]]:
        """As `DocumentSource.read`; documents do not end."""
        told = [text for text in facts() if is_held_out(fingerprint(text), HELD_OUT_ONE_IN)]
        if split == "train":
            told = [text for text in facts() if text not in set(told)]
        for number in count(first):
            rng = Random(f"facts {split} {number}")
            parts = rng.sample(told, min(FACTS_PER_DOCUMENT, len(told)))
            yield number, Document(id=f"facts-{split}-{number}", parts=("".join(parts),))


def facts() -> list[str]:
    """Each fact in each way."""
    found = []
    for name in NAMES:
        for kind, things in LIKED.items():
            thing = Random(f"{name} {kind}").choice(things)
            found += [telling.format(name=name, thing=thing) for telling in TELLINGS]
    return found


class Quotes:
    """Words of a task's vocabulary, `least` to `most` of them, and the same again: what is taught
    is to copy, which reading a picture needs, too.

    Only what is said again is learned, since the words are drawn at random; so
    `val/sequence_accuracy/quotes` is how often all of it is right.
    """

    def __init__(self, task: Task, *, least: int = 1, most: int = 8) -> None:
        self.alphabet: Sequence[str] = task.words or tuple(f" {name}" for name in NAMES)
        self.words = (*task.words, MARK) if task.words else ()
        self.least, self.most = least, most

    def read(
        self, first: int = 0, split: Split = "train", turn: int = 0
    ) -> Iterator[tuple[int, Item]]:
        """As `DocumentSource.read`; documents do not end."""
        for number in count(first):
            rng = Random(f"quotes {split} {number}")
            text = "".join(rng.choices(self.alphabet, k=rng.randint(self.least, self.most)))
            asked = {"role": "user", "content": f"{text}{MARK}"}
            problem = Problem(id=f"quotes-{split}-{number}", prompt=(asked,), answer=text)
            yield number, Demonstration(problem, text)
