"""All servers of one trainer: what each works on, and which weights they have to have.

Each member has a thread; what threads share is under `changed`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from k15.engines.servers.parties import Party, Rated, UnderWay
from k15.engines.servers.ticket import Ticket
from k15.weights.routes.protocol import Receiver, Route

if TYPE_CHECKING:
    from torch import Tensor


logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long is waited for servers, in seconds, and how often they may be lost."""

    start: float = 600.0
    """For a server to start, or for one that is given to be reached at all."""
    answer: float = 30.0
    """For any answer: a server that gives none hangs, and is killed and replaced."""
    stall: float = 600.0
    """For the next token of a server that has requests."""
    load: float = 600.0
    """For a server to take weights."""
    restarts: int = 5
    """Of a server that did not finish any request in between; and servers that a request may be
    lost with before it gets another token: more ends the run.
    """

    def __post_init__(self) -> None:
        for name in ("start", "answer", "stall", "load"):
            if getattr(self, name) <= 0:
                raise ValueError(f"patience.{name}={getattr(self, name)}: must be above 0")
        if self.restarts < 0:
            raise ValueError(f"patience.restarts={self.restarts}: must be at least 0")


class Fleet:
    """Members join by `add`; `fault` ends everything that waits for them."""

    def __init__(self, route: Route, patience: Patience) -> None:
        self.route, self.patience = route, patience
        self.changed = threading.Condition()
        self.members: list[Party] = []
        self.call: UnderWay | None = None
        self.rating: Rated | None = None
        self.version: int | None = None
        """Of the weights that servers are to have; None: none are there."""
        self.generation = 0
        """How often there were new ones."""
        self.refusal: tuple[int, Exception] | None = None
        """Generation of weights that a server has refused, and why."""
        self.fault: Exception | None = None
        self.closing = False
        self.seen_ready = time.monotonic()
        """When there was last a server that answers."""
        self._sending, self._delivering = False, 0

    def add(self, members: Iterable[Party]) -> None:
        """Start to use them."""
        with self.changed:
            for member in members:
                self.members.append(member)
                member.start()

    def ready(self) -> list[Party]:
        """Those that can be given requests; under `changed`, as all that follows."""
        return [
            member
            for member in self.members
            if member.serving and member.generation == self.generation and self.version is not None
        ]

    def room(self) -> int:
        """Requests that servers can take at once."""
        return sum(max(0, member.slots - len(member.tickets)) for member in self.ready())

    def assign(self, tickets: Sequence[Ticket], homes: dict[Any, Party]) -> list[Ticket]:
        """Give each to a server; returns those for which there was no room.

        Requests with the same prompt go where the first one went, for its keys and values are
        there, as long as that server has room; others to the one that has least to do.
        """
        left = []
        for ticket in tickets:
            free = [member for member in self.ready() if len(member.tickets) < member.slots]
            home = homes.get(ticket.group)
            if home not in free:
                home = min(free, key=lambda m: len(m.tickets) / m.slots, default=None)
            if home is None:
                left.append(ticket)
                continue
            homes[ticket.group] = home
            home.give(ticket)
        self.changed.notify_all()
        return left

    def update(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Have all servers that answer take these weights; what they work on goes on with them.

        Raises what a server says that refuses them, and whatever ends the sending: then no server
        is used before there are others.
        """
        with self.changed:
            self.version = None
            self.wait_for(lambda: not self._delivering, self.patience.load, "weights under way")
            self._sending = True
        try:
            self.route.send(weights)
            self.route.finish(version)
        finally:
            with self.changed:
                self._sending = False
        with self.changed:
            self.version, self.generation = version, self.generation + 1
            self.changed.notify_all()
            self.wait_for(self._updated, self.patience.load, f"weights {version} to be taken")
            if self.refusal and self.refusal[0] == self.generation:
                self.version = None
                raise self.refusal[1]

    def deliver(self, server: Receiver) -> tuple[int, int]:
        """The newest weights to a server; returns their generation and version."""
        with self.changed:
            self.changed.wait_for(lambda: not self._sending)
            assert self.version is not None
            newest = self.generation, self.version
            self._delivering += 1
        try:
            self.route.deliver(server)
        finally:
            with self.changed:
                self._delivering -= 1
                self.changed.notify_all()
        return newest

    def wait_for(self, condition: Callable[[], object], seconds: float | None, what: str) -> None:
        """Under `changed`; raises the fault, or TimeoutError."""
        found = self.changed.wait_for(lambda: self.fault or condition(), seconds)
        if self.fault:
            raise self.fault
        if not found:
            raise TimeoutError(f"{what}: not within {seconds:g} s")

    def fail(self, error: Exception) -> None:
        """The first one counts."""
        with self.changed:
            if not self.closing:
                self.fault = self.fault or error
            self.changed.notify_all()

    def close(self) -> None:
        """End the servers that were started, let go of the others."""
        with self.changed:
            self.closing = True
            self.changed.notify_all()
        for member in self.members:
            member.end()
        for member in self.members:
            member.join(self.patience.answer)
        self.route.close()

    def _updated(self) -> bool:
        """Whether all that answer have the newest weights, and there is one."""
        if self.refusal and self.refusal[0] == self.generation:
            return True
        answering = [member for member in self.members if member.serving]
        return bool(answering) and all(m.generation == self.generation for m in answering)
