"""Several sources as one stream, in shares of tokens that may change on the way.

    credits  text 12  captions -3  ocr 5     each source's share of what was read, less its own
             ──▲─────                        the one that is owed most gives the next document

So after any number of tokens the shares are those that were asked for, within a document; nothing
is drawn at random, and a state of a few numbers says where the stream is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from k15.config.errors import ConfigError
from k15.problems.documents.source import DocumentSource, Item
from k15.questions import Split

Place = tuple[str, int, int]
"""Source, turn and number of a document."""


class Mixture:
    """Documents of several sources, each from where it was left.

    A source that has given all it has begins anew, up to `turns` times; then the others go on in
    their shares.
    """

    def __init__(
        self, sources: Mapping[str, DocumentSource], *, turns: int = 1, split: Split = "train"
    ) -> None:
        self.sources = dict(sources)
        self.turns = turns
        self.split = split
        self.credits = dict.fromkeys(self.sources, 0.0)
        self.next = dict.fromkeys(self.sources, 0)
        """Number of the document that a source gives next."""
        self.turn = dict.fromkeys(self.sources, 0)
        self._reading: dict[str, Iterator[tuple[int, Item]]] = {}

    def draw(self, weights: Mapping[str, float]) -> tuple[str, int, int, Item] | None:
        """Name, turn, number and the document that comes next; None if all have given all."""
        while owed := self.left(weights):
            name = max(owed, key=lambda name: self.credits[name])
            if (found := self._read(name)) is not None:
                number, item = found
                self.next[name] = number + 1
                return name, self.turn[name], number, item
            self.turn[name] += 1
            self.next[name] = 0
            self._reading.pop(name)
        return None

    def spent(self, name: str, tokens: int, weights: Mapping[str, float]) -> None:
        """What a source has given is shared out among those that are left."""
        owed = self.left(weights)
        whole = sum(owed.values())
        for other, weight in owed.items():
            self.credits[other] += tokens * weight / whole
        self.credits[name] -= tokens

    def left(self, weights: Mapping[str, float]) -> dict[str, float]:
        """The sources that have something to give, with their weights."""
        return {
            name: weight
            for name, weight in weights.items()
            if weight > 0 and self.turn[name] < self.turns
        }

    def again(self, places: Iterable[Place]) -> dict[Place, Item]:
        """Documents that were given before; each source is read once, from the first of its own on.

        Raises ConfigError naming one that is not there any more.
        """
        found: dict[Place, Item] = {}
        wanted: dict[tuple[str, int], set[int]] = {}
        for name, turn, number in places:
            wanted.setdefault((name, turn), set()).add(number)
        for (name, turn), numbers in wanted.items():
            for number, item in self.sources[name].read(min(numbers), self.split, turn):
                if number in numbers:
                    found[name, turn, number] = item
                if number >= max(numbers):
                    break
            if missing := [n for n in sorted(numbers) if (name, turn, n) not in found]:
                raise ConfigError(
                    f"corpus.sources.{name}: document {missing[0]} is not there any more; put the "
                    "data back as it was when training began"
                )
        return found

    def state_dict(self) -> dict[str, Any]:
        """Where the stream is."""
        return {"credits": {**self.credits}, "next": {**self.next}, "turn": {**self.turn}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on there; a source that was not known then begins."""
        for name, values in state.items():
            getattr(self, name).update(values)
        self._reading = {}

    def _read(self, name: str) -> tuple[int, Item] | None:
        if name not in self._reading:
            source = self.sources[name]
            self._reading[name] = iter(source.read(self.next[name], self.split, self.turn[name]))
        return next(self._reading[name], None)


def checked_weights(
    weights: Mapping[str, float], sources: Mapping[str, object], setting: str
) -> dict[str, float]:
    """The weights above 0, as shares.

    Raises ConfigError for a weight below 0, one of a source that is not there, or if all are 0.
    """
    for name, weight in weights.items():
        if name not in sources:
            raise ConfigError(
                f"{setting}.{name}={weight}: corpus.sources has no such source; it has "
                f"{', '.join(sources)}"
            )
        if not 0 <= weight < math.inf:
            raise ConfigError(f"{setting}.{name}={weight}: a weight is a number of at least 0")
    whole = sum(weights.values())
    if not whole:
        raise ConfigError(
            f"{setting}: every weight is 0, so there is nothing to train on; give one of "
            f"{', '.join(sources)} a weight above 0"
        )
    return {name: weight / whole for name, weight in weights.items() if weight}
