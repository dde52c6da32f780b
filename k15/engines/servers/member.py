"""One server of a fleet, and the thread that speaks with it.

connect ─► exchange, weights, signs of life ─► lost ─► its requests go elsewhere
   ▲                                                      │
   └──────────────── a new one, or the same one again ◄───┘
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from k15.config.errors import ConfigError
from k15.engines.servers.connection import Connection, Lost, Refused, watched
from k15.engines.servers.parties import UnderWay
from k15.engines.servers.ticket import Ticket
from k15.engines.servers.wire import Json, exchange, request_to

if TYPE_CHECKING:
    from k15.engines.servers.fleet import Fleet

logger = logging.getLogger(__name__)

PING = 2.0  # seconds between signs of life of a server that has nothing to do
WAIT = 0.2  # seconds that a server waits for a response to end before it tells how far it is
LONGEST_PAUSE = 10.0  # seconds before a server that was lost several times is tried again
NUMBERS = count(1)


class Member(threading.Thread):
    """`model` is what the server must say of its model. Subclasses say how to come to a server."""

    started_here = False
    expected = True
    """Whether the run begins when it is there, and not before."""

    def __init__(self, name: str, fleet: Fleet, model: Mapping[str, Any]) -> None:
        super().__init__(name=name, daemon=True)
        self.fleet, self.model = fleet, dict(model)
        self.connection: Connection | None = None
        self.serving = False
        """Whether it answers."""
        self.slots = 0
        self.generation, self.version = 0, 0
        """Of the weights that the server has."""
        self.tickets: dict[int, Ticket] = {}
        """What it works on, by the number it knows it by."""
        self.losses, self.lost = 0, 0
        """How often it was lost since it finished a request, and in all."""
        self._fresh: dict[int, Ticket] = {}
        self._refused = 0
        """Generation of weights that it does not take."""
        self._told: int | None = None
        """The call that the server knows of,"""
        self._pictures: set[str] = set()
        """and the pictures that it has of it."""
        self._moved = 0.0
        """When it had its first request, or last gave a token."""

    def reach(self) -> Connection:
        """To a server that answers; raises Lost, and ConfigError where trying again is no use."""
        raise NotImplementedError

    def refused(self, refusal: Refused) -> Exception:
        """What it means that the server does not want this run."""
        return ConfigError(str(refusal))

    def gone(self) -> str:
        """It was lost: leave nothing of it; returns what there is to say besides the error."""
        return ""

    def judge(self, what: str) -> None:
        """It was lost because of `what`: is that the end of the run?"""

    def end(self) -> None:
        """From the main thread, while this one may wait for an answer."""

    def give(self, ticket: Ticket) -> None:
        """A request to work on; under `changed`."""
        ticket.number, ticket.begun = next(NUMBERS), len(ticket.tokens)
        if not self.tickets:
            self._moved = time.monotonic()
        self.tickets[ticket.number] = self._fresh[ticket.number] = ticket

    def drop(self) -> list[Ticket]:
        """Work on nothing more; under `changed`."""
        tickets = [*self.tickets.values()]
        self.tickets.clear()
        self._fresh.clear()
        return tickets

    def run(self) -> None:
        """Until the fleet closes."""
        try:
            while not self.fleet.closing:
                try:
                    connection = self._connect()
                    while not self.fleet.closing:
                        self._serve(connection)
                except (Lost, Refused) as loss:
                    self._lose(loss)
        except Exception as error:
            self.fleet.fail(error)
        finally:
            self.gone()

    @property
    def served(self) -> bool:
        """Whether it has ever answered."""
        return self.slots > 0

    def _connect(self) -> Connection:
        connection = self.connection = self.reach()
        try:
            state = connection.post("/claim", {})
        except Refused as refusal:
            raise self.refused(refusal) from refusal
        if state["model"] != self.model:
            raise ConfigError(f"{connection.url}: {differences(state['model'], self.model)}")
        with self.fleet.changed:
            self.slots, self.generation, self._told = int(state["slots"]), 0, None
            self.serving = True
            self.fleet.changed.notify_all()
        return connection

    def _serve(self, connection: Connection) -> None:
        """One thing that there is to do, or a sign of life."""
        with self.fleet.changed:
            if (todo := self._todo()) is None:
                self.fleet.changed.wait(PING)
                todo = self._todo()
            call, rating = self.fleet.call, self.fleet.rating
        if todo == "exchange":
            assert call is not None
            self._exchange(connection, call)
        elif todo == "update":
            self._update(connection)
        elif todo == "forget":
            self._told = None
            connection.post("/exchange", exchange())
        elif todo == "rate":
            assert rating is not None
            self.losses = 0 if rating.work(connection) else self.losses
        elif not self.fleet.closing:
            connection.get("/health")
        self.fleet.seen_ready = time.monotonic()

    def _todo(self) -> Literal["exchange", "update", "forget", "rate"] | None:
        if self.fleet.call is not None and self.tickets:
            return "exchange"
        if self._outdated():
            return "update"
        if self._told is not None and self.fleet.call is None:
            return "forget"
        if self.fleet.rating is not None and self in self.fleet.ready():
            return "rate" if self.fleet.rating.waits() else None
        return None

    def _outdated(self) -> bool:
        newest = self.fleet.generation
        return self.fleet.version is not None and newest not in (self.generation, self._refused)

    def _exchange(self, connection: Connection, call: UnderWay) -> None:
        """What is new for the server, and what is new of its requests."""
        with self.fleet.changed:
            if self.fleet.call is not call:
                return
            tickets, fresh = dict(self.tickets), dict(self._fresh)
            have = {number: ticket.here for number, ticket in tickets.items()}
            rests = {number: ticket.rest() for number, ticket in fresh.items()}
            stop = call.stopped or self._outdated()
        if self._told != call.number:
            self._told, self._pictures = call.number, set()
        pictures = [call.picture(image) for request in rests.values() for image in request.images]
        new = {key: text for key, text in pictures if key not in self._pictures}
        requests = [
            request_to(number, request, [call.picture(image)[0] for image in request.images])
            for number, request in rests.items()
        ]
        message = exchange(call.number, call.sampling, requests, new, have, stop, WAIT)
        found = connection.post("/exchange", message)
        self._pictures |= {*new}
        with self.fleet.changed:
            for number in fresh:
                self._fresh.pop(number, None)
            if self.fleet.call is call:
                try:
                    self._take(call, tickets, found, stop)
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    raise Lost(f"{connection.url}: an answer without sense: {error}") from error

    def _take(self, call: UnderWay, tickets: Mapping[int, Ticket], found: Json, stop: bool) -> None:
        """The server's answer in; it may have moved on with requests that others have by now."""
        back = [self.tickets.pop(n) for n in map(int, found["unknown"]) if n in self.tickets]
        call.put_back(back, Lost("it knew nothing of the request any more") if back else None)
        for number, news in found["answers"].items():
            if (ticket := self.tickets.get(int(number))) is None:
                continue
            self._moved = time.monotonic()
            if finish := ticket.take(news, self.version):
                del self.tickets[int(number)]
                self._finished(call, ticket, finish, stop)
        silent = time.monotonic() - self._moved
        if self.tickets and silent > self.fleet.patience.stall:
            raise Lost(f"no token for {silent:.0f} s (engine.patience.stall)")

    def _finished(self, call: UnderWay, ticket: Ticket, finish: str, stop: bool) -> None:
        """By the server's word. Nobody has asked for less than all, unless there was a stop."""
        short = finish == "length" and len(ticket.tokens) < ticket.request.max_new_tokens
        if finish == "cut" and call.stopped:
            call.landed(ticket, finish)
        elif finish == "cut" or short:
            call.put_back([ticket], None if stop else Lost(f"it was ended early ({finish})"))
        else:
            self.losses = 0
            call.landed(ticket, finish)
            call.place()

    def _update(self, connection: Connection) -> None:
        """The newest weights; while it takes them it must go on answering."""
        self._told = None
        try:
            with watched(connection):
                generation, version = self.fleet.deliver(connection)
        except Refused as refusal:
            if refusal.kind == "WrongWeights":
                raise Lost(str(refusal)) from refusal
            self._refuse(refusal)
            return
        with self.fleet.changed:
            self.generation, self.version = generation, version
            if self.fleet.call is not None:
                self.fleet.call.place()
            self.fleet.changed.notify_all()

    def _refuse(self, refusal: Refused) -> None:
        with self.fleet.changed:
            if self.fleet.ready():  # others took them
                raise Lost(str(refusal)) from refusal
            self._refused = self.fleet.generation
            self.fleet.refusal = self._refused, ValueError(str(refusal))
            self.fleet.changed.notify_all()

    def _lose(self, loss: Exception) -> None:
        with self.fleet.changed:
            self.serving = False  # it gets nothing more
        if self.connection is not None:
            self.connection.close()
        what = f"{self.name} was lost: {loss}{self.gone()}"
        with self.fleet.changed:
            tickets = self.drop()
            if self.fleet.call is not None:
                self.fleet.call.put_back(tickets, Lost(what))
            self.fleet.changed.notify_all()
        if self.fleet.closing:
            return
        self.losses, self.lost = self.losses + 1, self.lost + 1
        if self.served or self.losses == 1:  # else it has never been there: said once
            logger.warning(what)
        self.judge(what)
        with self.fleet.changed:
            pause = min(0.25 * 2**self.losses, LONGEST_PAUSE) if self.losses > 1 else 0.0
            self.fleet.changed.wait_for(lambda: self.fleet.closing, pause)


def differences(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """In which a server's model is not the trainer's."""
    name = next(name for name in {**ours, **theirs} if theirs.get(name) != ours.get(name))
    return (
        f"its model has {name} {theirs.get(name)!r}, the trainer's {ours.get(name)!r}; start it "
        "with the same model"
    )
