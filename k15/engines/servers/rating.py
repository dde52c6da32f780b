"""One call of `score` over a fleet of servers.

examples ──► pieces ──► a member that has nothing to generate ──► its server ──► ended, each once
                ▲                                                    │
                └──────────────── put back, if it is lost ◄──────────┘
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from math import ceil

from k15.config.errors import ConfigError
from k15.engines.protocol import Scored
from k15.engines.servers.connection import Connection, Lost, Refused, watched
from k15.engines.servers.fleet import Fleet
from k15.engines.servers.wire import examples_to, scored_from
from k15.progress import waiting_for
from k15.types import Example

LARGEST = 64  # examples of a piece: what is done again where a server is lost
USERS = {kind.__name__: kind for kind in (ConfigError, ValueError)}
"""What an engine raises of the examples, or of itself, that no other server would do better."""


@dataclass(slots=True, eq=False)
class Piece:
    """Examples that follow each other, from the place `start` on."""

    start: int
    examples: Sequence[Example]
    losses: int = 0
    """Servers that were lost with it."""


class Rating:
    """Hands out pieces to members, and what is said of them to whoever asked."""

    def __init__(self, fleet: Fleet, examples: Sequence[Example]) -> None:
        self.fleet = fleet
        size = min(LARGEST, ceil(len(examples) / max(1, len(fleet.members)))) or 1
        starts = range(0, len(examples), size)
        self._waiting = deque(Piece(n, examples[n : n + size]) for n in starts)
        self._open = len(self._waiting)
        self._ended: deque[Scored] = deque()
        self._fault: Exception | None = None

    def scored(self) -> Generator[Scored]:
        """Until all are rated, or another call begins; raises what a server says of them, and the
        fleet's fault.
        """
        fleet = self.fleet
        try:
            while True:
                with fleet.changed, waiting_for("the servers"):
                    fleet.changed.wait_for(self._news)
                    if fault := self._fault or fleet.fault:
                        raise fault
                    if not self._ended:
                        return
                    found = self._ended.popleft()
                yield found
        finally:
            with fleet.changed:
                if fleet.rating is self:
                    fleet.rating = None

    def waits(self) -> bool:
        """Whether a server is wanted; under `changed`."""
        return bool(self._waiting) and self._fault is None

    def work(self, connection: Connection) -> int:
        """Have a server rate the next piece, in its member's thread; returns how many examples.

        Raises Lost, and Refused by a server that serves another run; the piece waits again then.
        """
        with self.fleet.changed:
            if not self.waits():
                return 0
            piece = self._waiting.popleft()
        try:
            found = self._asked(connection, piece.examples)
        except (Lost, Refused) as error:
            if isinstance(error, Refused) and error.kind in USERS:
                self._end(USERS[error.kind](str(error)))
                return 0
            self._put_back(piece, error)
            raise
        with self.fleet.changed:
            self._ended += [replace(one, index=piece.start + one.index) for one in found]
            self._open -= 1
            self.fleet.changed.notify_all()
        return len(found)

    def _asked(self, connection: Connection, examples: Sequence[Example]) -> list[Scored]:
        seconds = self.fleet.patience.stall
        with watched(connection):
            answer = connection.post("/score", examples_to(examples), seconds)
        try:
            return scored_from(answer, examples)
        except (ValueError, KeyError, TypeError) as error:
            raise Lost(f"{connection.url}: an answer without sense: {error}") from error

    def _put_back(self, piece: Piece, because: Exception) -> None:
        with self.fleet.changed:
            piece.losses += 1
            self._waiting.appendleft(piece)
            self.fleet.changed.notify_all()
        if piece.losses > self.fleet.patience.restarts:
            self.fleet.fail(
                RuntimeError(
                    f"examples {piece.start} to {piece.start + len(piece.examples) - 1} were with "
                    f"{piece.losses} servers when they were lost, the last one because of: "
                    f"{because}"
                )
            )

    def _end(self, fault: Exception) -> None:
        with self.fleet.changed:
            self._fault = fault
            self.fleet.changed.notify_all()

    def _news(self) -> object:
        over = not self._open or self.fleet.rating is not self
        return self._ended or self._fault or self.fleet.fault or over
