"""Who meets in a fleet: what it asks of a member, and members of the calls that are under way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from k15.engines.servers.connection import Connection
from k15.engines.servers.ticket import Ticket

if TYPE_CHECKING:
    from PIL.Image import Image

    from k15.engines.protocol import Sampling


class Party(Protocol):
    """A server, by the thread that speaks with it: `k15.engines.servers.member.Member`."""

    name: str
    started_here: bool
    expected: bool
    serving: bool
    slots: int
    generation: int
    version: int
    lost: int
    tickets: dict[int, Ticket]
    connection: Connection | None

    def start(self) -> None: ...

    def give(self, ticket: Ticket) -> None: ...

    def drop(self) -> list[Ticket]: ...

    def end(self) -> None: ...

    def join(self, timeout: float | None = None) -> None: ...


class UnderWay(Protocol):
    """What is generated: `k15.engines.servers.call.Call`."""

    number: int
    sampling: Sampling
    stopped: bool

    def picture(self, image: Image) -> tuple[str, str]: ...

    def landed(self, ticket: Ticket, finish: str) -> None: ...

    def put_back(self, tickets: Sequence[Ticket], because: Exception | None = None) -> None: ...

    def place(self) -> None: ...


class Rated(Protocol):
    """Given responses that are rated: `k15.engines.servers.rating.Rating`."""

    def waits(self) -> bool: ...

    def work(self, connection: Connection) -> int: ...
