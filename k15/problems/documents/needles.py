"""Something told once in a long text, and asked for at its end: can the model look that far back?

" Mia likes red. Ben hides 17. Ada likes square. ... what does Ben hide?" → " 17."
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random

from k15.problems.documents.source import Demonstration, Item
from k15.problems.documents.templated import NAMES, WORDS, facts
from k15.questions import Split
from k15.types import Problem

FACT = 4  # words
HIDDEN = 49  # numbers
OTHER_WORDS = (" what", " does", " hides", " hide?", ".")


class Needles:
    """Endless; a text has about `shortest` to `longest` words, and `needles` things are told in it,
    one of which is asked for. Only the answer is learned, so `val/sequence_accuracy/needles` is how
    often it is found.
    """

    words: tuple[str, ...] = (
        *(f" {word}" for word in WORDS),
        *OTHER_WORDS,
        *(f" {number}" for number in range(HIDDEN)),
    )

    def __init__(self, shortest: int = 100, longest: int = 200, needles: int = 2) -> None:
        self.shortest, self.longest, self.needles = shortest, longest, needles

    def read(
        self, first: int = 0, split: Split = "train", turn: int = 0
    ) -> Iterator[tuple[int, Item]]:
        """As `DocumentSource.read`."""
        told = [fact for fact in facts() if "what" not in fact]
        for number in count(first):
            id = f"needles-{split}-{number}"
            yield number, self.item(id, Random(id), told)

    def item(self, id: str, rng: Random, told: list[str]) -> Demonstration:
        """The text as a question, the answer as what is to be said."""
        length = rng.randint(self.shortest, self.longest) // FACT
        sentences = rng.choices(told, k=length)
        hidden = {name: rng.randrange(HIDDEN) for name in rng.sample(NAMES, self.needles)}
        for name, thing in hidden.items():
            sentences.insert(rng.randrange(len(sentences)), f" {name} hides {thing}.")
        name, thing = rng.choice([*hidden.items()])
        text = "".join(sentences) + f" what does {name} hide?"
        problem = Problem(id=id, prompt=({"role": "user", "content": text},), answer=str(thing))
        return Demonstration(problem, f" {thing}.")
