"""Packs of a mixture of documents, one after the other, from wherever the stream was left.

mixture ─► document ─► pieces (`encode`) ─► packer ─► Pack          by the phase's weights,
              └─► refused, counted by reason                       budget and attention
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from k15.config.errors import ConfigError
from k15.datamodules.mixing import Mixture, Place
from k15.datamodules.packing import OpenPack, Packer, Piece
from k15.models.documents import joined
from k15.problems.documents.source import Demonstration, Item, Refusal
from k15.types import Document, Example, Pack

Encode = Callable[[Document | Demonstration, int], list[Example]]
"""The pieces of a document, of at most so many tokens."""
LISTED = 10
IN_A_ROW = 10_000  # documents left out, after which none is expected that is not


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of training: shares, and how long sequences are."""

    tokens: int
    """What is trained on in it: the budgets of its packs, padding included."""
    sequence_tokens: int
    """Budget of a pack."""
    weights: Mapping[str, float]
    """Share of the tokens that each source has, relative to the others."""
    across: float = 0.0
    """Share of packs whose documents attend to those before them, too; in the others each attends
    within itself alone (k1.5 §2.5, App. B)."""


@dataclass
class Counts:
    """What was read."""

    documents: Counter[str] = field(default_factory=Counter)
    """By source."""
    tokens: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """By `<source>: <reason>`."""
    filtered: Counter[str] = field(default_factory=Counter)
    """Likewise."""
    cut: Counter[str] = field(default_factory=Counter)
    """Documents in several pieces, by source."""


class PackStream:
    """Gives the packs of one phase after another; `encode` makes examples of documents.

    `length` is how many tokens an example has.
    """

    def __init__(
        self,
        mixture: Mixture,
        encode: Encode,
        *,
        packer: Packer,
        length: Callable[[Example], int],
        seed: int = 0,
    ) -> None:
        self.mixture = mixture
        self.encode, self.length = encode, length
        self.seed = seed
        self.packer = packer
        self.ready: list[list[Piece]] = []
        """Packs that are full, and not given yet."""
        self.counts = Counts()
        self.named: list[str] = []
        """The first documents that are broken, and why."""
        self.given = 0
        """Packs."""

    def packs(self, phase: Phase) -> Iterator[Pack]:
        """Without end, unless the sources have one; then what is left comes last."""
        while True:
            while self.ready:
                yield self._pack(self.ready.pop(0), phase)
            if (pieces := self._pieces(phase)) is not None:
                added = (self.packer.add(piece, phase.sequence_tokens) for piece in pieces)
                self.ready += [full for full in added if full]
            elif (last := self.packer.close(phase.sequence_tokens)) is not None:
                self.ready.append(last)
            else:
                return

    def state_dict(self) -> dict[str, Any]:
        """Where it is: numbers alone; documents are read again."""
        packs = {"open": [pack.pieces for pack in self.packer.open], "ready": self.ready}
        places = {
            name: [[piece.address for piece in pieces] for pieces in each]
            for name, each in packs.items()
        }
        counts = {name: value.copy() for name, value in vars(self.counts).items()}
        return {
            "mixture": self.mixture.state_dict(), "given": self.given, "counts": counts, **places
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on there."""
        self.mixture.load_state_dict(state["mixture"])
        self.given = state["given"]
        self.counts = Counts(**{name: value.copy() for name, value in state["counts"].items()})
        addresses = [one for pieces in (*state["open"], *state["ready"]) for one in pieces]
        items = self.mixture.again({place_of(address) for address in addresses})
        again = partial(self._again, items)
        self.packer.open = [OpenPack([*map(again, pieces)]) for pieces in state["open"]]
        self.ready = [[*map(again, pieces)] for pieces in state["ready"]]

    def check(self, max_refused: float, least: int = 0) -> None:
        """Raise ConfigError if more than a share of the documents are broken, of at least so many;
        it names some.
        """
        broken, read = self.counts.refused.total(), self.counts.documents.total()
        if broken + read >= least and broken > max_refused * (broken + read):
            listed = "\n".join(f"  {name}" for name in self.named)
            raise ConfigError(
                f"{broken} of {broken + read} documents cannot be used:\n{listed}\nmore than "
                f"datamodule.max_refused={max_refused} of them; mend the data, or raise the share "
                "to leave them out"
            )

    def _pieces(self, phase: Phase) -> list[Piece] | None:
        """Those of the next document that can be used; None if there is none."""
        in_a_row = 0
        while (drawn := self.mixture.draw(phase.weights)) is not None:
            source, turn, number, item = drawn
            pieces = self._of(source, turn, number, item, phase.sequence_tokens)
            if isinstance(pieces, list):
                tokens = sum(piece.length for piece in pieces)
                self.mixture.spent(source, tokens, phase.weights)
                self.counts.documents[source] += 1
                self.counts.tokens[source] += tokens
                self.counts.cut[source] += len(pieces) > 1
                return pieces
            self._left_out(source, pieces)
            if (in_a_row := in_a_row + 1) == IN_A_ROW:
                raise ConfigError(
                    f"corpus.sources.{source}: {IN_A_ROW} documents in a row are left out; the "
                    f"last one, {pieces.id}, for {pieces.reason} ({pieces.detail})"
                )
        return None

    def _of(
        self, source: str, turn: int, number: int, item: Item, longest: int
    ) -> list[Piece] | Refusal:
        """A document cut for sequences of this length, or why it is left out."""
        if isinstance(item, Refusal):
            return item
        try:
            examples = self.encode(item, longest)
        except ConfigError as error:
            return Refusal(item.id, "cannot be encoded", str(error))
        name = f"{source}/{item.id}"
        names = [name, *(f"{name}#{place}" for place in range(2, len(examples) + 1))]
        return [
            Piece(source, turn, number, place, longest, names[place], example, self.length(example))
            for place, example in enumerate(examples)
        ]

    def _left_out(self, source: str, refusal: Refusal) -> None:
        counter = self.counts.filtered if refusal.filtered else self.counts.refused
        counter[f"{source}: {refusal.reason}"] += 1
        if not refusal.filtered and len(self.named) < LISTED:
            self.named.append(f"{source}/{refusal.id}: {refusal.detail or refusal.reason}")

    def _again(self, items: Mapping[Place, Item], address: Mapping[str, Any]) -> Piece:
        """A piece that was given a place before the stream was left."""
        place = place_of(address)
        pieces = self._of(*place, items[place], address["cut"])
        if isinstance(pieces, Refusal) or len(pieces) <= address["place"]:
            raise ConfigError(
                f"corpus.sources.{place[0]}: document {place[2]} is another one than when training "
                "began; put the data back as it was"
            )
        return pieces[address["place"]]

    def _pack(self, pieces: list[Piece], phase: Phase) -> Pack:
        across = Random(f"{self.seed} across {self.given}").random() < phase.across
        self.given += 1
        examples = tuple(piece.example for piece in pieces)
        return Pack(
            examples=(joined(examples),) if across else examples,
            lengths=tuple(piece.length for piece in pieces),
            names=tuple(piece.name for piece in pieces),
            capacity=phase.sequence_tokens,
        )


def place_of(address: Mapping[str, Any]) -> Place:
    """Which document a piece is of."""
    return address["source"], address["turn"], address["number"]
