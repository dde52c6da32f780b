"""Documents side by side in sequences of a token budget.

    document ─► pieces that fit ─► the open pack with least room for it ─► a full pack

A document goes whole into the fullest pack that has room (best fit, Ding et al. 2404.10830), so
that little is cut and little is padding. When a new pack is needed and `most_open` are open, the
fullest one is closed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from k15.types import Example

LEAST_ROOM = 4  # tokens; a pack with less is full


@dataclass(frozen=True, slots=True)
class Piece:
    """A document, or what of it fits into a sequence, and how to find it again."""

    source: str
    turn: int
    number: int
    place: int
    """Which of the document's pieces."""
    cut: int
    """The budget it was cut for."""
    name: str
    example: Example
    length: int
    """Tokens, pictures expanded."""

    @property
    def address(self) -> dict[str, Any]:
        """All but the tokens, for a checkpoint."""
        names = ("source", "turn", "number", "place", "cut")
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class OpenPack:
    """Pieces that are together so far."""

    pieces: list[Piece] = field(default_factory=list)

    @property
    def length(self) -> int:
        """Tokens."""
        return sum(piece.length for piece in self.pieces)


class Packer:
    """Open packs, the oldest first."""

    def __init__(self, most_open: int = 32) -> None:
        self.most_open = most_open
        self.open: list[OpenPack] = []

    def add(self, piece: Piece, capacity: int) -> list[Piece] | None:
        """Put away a piece of at most `capacity` tokens; a pack that is closed by that."""
        roomy = [pack for pack in self.open if pack.length + piece.length <= capacity]
        closed = None
        if not roomy:
            if len(self.open) >= self.most_open:
                closed = self.close(capacity)
            self.open.append(OpenPack())
            roomy = self.open[-1:]
        fullest = max(roomy, key=lambda pack: pack.length)
        fullest.pieces.append(piece)
        if closed is None and fullest.length > capacity - LEAST_ROOM:
            self.open.remove(fullest)
            return fullest.pieces
        return closed

    def close(self, capacity: int) -> list[Piece] | None:
        """The fullest one that keeps to a budget; those that were begun under a larger one wait
        until it comes again.
        """
        fitting = [pack for pack in self.open if pack.length <= capacity]
        if not fitting:
            return None
        fullest = max(fitting, key=lambda pack: pack.length)
        self.open.remove(fullest)
        return fullest.pieces
