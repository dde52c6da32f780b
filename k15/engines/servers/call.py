"""One call of `generate` over a fleet of servers.

requests ──► while servers have room: tickets ──► members ──► ended ──► completions, each once
                  ▲                                  │
                  └── put back, with their tokens ◄──┘ lost, or given new weights
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from k15.engines.protocol import Completion, Request, Sampling, seed_of
from k15.engines.servers.fleet import Fleet
from k15.engines.servers.ticket import Ticket
from k15.engines.servers.wire import picture_to
from k15.progress import waiting_for

if TYPE_CHECKING:
    from PIL.Image import Image

END = object()
NUMBERS = count(1)


class Call:
    """Pulls requests, hands out what ends. `stop_ids` end a response."""

    def __init__(
        self,
        fleet: Fleet,
        requests: Iterator[Request | None],
        sampling: Sampling,
        stop_ids: Sequence[int],
        groups: Groups,
    ) -> None:
        self.fleet, self.requests, self.sampling = fleet, requests, sampling
        self.stop_ids, self.groups = stop_ids, groups
        self.number = next(NUMBERS)
        self.stopped = False
        self.open = 0
        """Requests that have not ended."""
        self._pulled = 0
        self._wanting = True
        """Whether there may be another request."""
        self._waiting: list[Ticket] = []
        """No server has room for them."""
        self._ended: deque[Completion] = deque()
        self._homes: dict[Any, Any] = {}
        self._pictures: dict[int, tuple[Image, tuple[str, str]]] = {}

    def stop(self) -> None:
        """Let what is running come back as it stands."""
        with self.fleet.changed:
            self.stopped = True
            waiting, self._waiting = self._waiting, []
            for ticket in waiting:
                self.landed(ticket, "cut")
            self.fleet.changed.notify_all()

    def picture(self, image: Image) -> tuple[str, str]:
        """Its key, and what goes to a server; an object is encoded once."""
        if id(image) not in self._pictures:
            self._pictures[id(image)] = image, picture_to(image)
        return self._pictures[id(image)][1]

    def completions(self) -> Generator[Completion]:
        """Until all requests are answered, or it is stopped; raises the fleet's fault."""
        try:
            while (completion := self._next()) is not None:
                yield completion
                self._wanting = True
        finally:
            self.end()

    def end(self) -> None:
        """Nobody waits for it any more."""
        with self.fleet.changed:
            if self.fleet.call is self:
                self.fleet.call = None
                for member in self.fleet.members:
                    member.drop()
            self.fleet.changed.notify_all()

    def landed(self, ticket: Ticket, finish: str) -> None:
        """It has ended; under `changed`."""
        self.open -= 1
        version = self.fleet.version or 0
        self._ended.append(ticket.completion(finish, self.sampling, version))
        self.fleet.changed.notify_all()

    def put_back(self, tickets: Sequence[Ticket], because: Exception | None = None) -> None:
        """Have other servers go on with them, or end those that are at their end; under `changed`.

        `because` their server was lost, which may not happen to one too often.
        """
        for ticket in tickets:
            ticket.losses += because is not None
            if ticket.losses > self.fleet.patience.restarts:
                self.fleet.fail(
                    RuntimeError(
                        f"request {ticket.index} ({len(ticket.request.tokens)} tokens) was with "
                        f"{ticket.losses} servers when they were lost, the last one because of: "
                        f"{because}"
                    )
                )
            if finish := ticket.finish(self.sampling, self.stop_ids):
                self.landed(ticket, finish)
            elif self.stopped:
                self.landed(ticket, "cut")
            else:
                self._waiting.append(ticket)
        self.place()

    def place(self) -> None:
        """Give servers what waits, oldest first; under `changed`."""
        if self._waiting:
            in_order = sorted(self._waiting, key=lambda ticket: ticket.index)
            self._waiting = self.fleet.assign(in_order, self._homes)

    def _next(self) -> Completion | None:
        while True:
            self._admit()
            with self.fleet.changed, waiting_for("the servers"):
                self.fleet.changed.wait_for(self._news)
                if self.fleet.fault:
                    raise self.fleet.fault
                if self._ended:
                    return self._ended.popleft()
                if not self.open and not self._more():
                    return None

    def _news(self) -> object:
        return self._ended or self.fleet.fault or not self.open or self._more()

    def _more(self) -> bool:
        """Whether another request can be pulled: whoever is asked for it knows all that ended."""
        if not self._wanting or self.stopped or self._ended:
            return False
        return self.fleet.room() > len(self._waiting)

    def _admit(self) -> None:
        """As many as servers have room for."""
        while True:
            with self.fleet.changed:
                if not self._more():
                    return
            request: Any = next(self.requests, END)
            if request is END or request is None:
                self._wanting = False
                if request is END:
                    self.requests = iter(())
                return
            if request.seed is None:  # a server does not know its place in this call
                request = replace(request, seed=seed_of(self.sampling.seed, self._pulled))
            ticket = Ticket(self._pulled, request, group=self.groups.of(request))
            self._pulled += 1
            with self.fleet.changed:
                self.open += 1
                self._waiting.append(ticket)
                self.place()


class Groups:
    """Which requests have the same prompt, also when they go on from there: the prompts of the
    last `most` that did not.
    """

    def __init__(self, most: int = 4096) -> None:
        self.most = most
        self._prompts: dict[tuple[int, ...], None] = {}
        self._lengths: dict[int, int] = {}

    def of(self, request: Request) -> tuple[int, ...]:
        """The longest known prompt that the request's tokens begin with; they are one from now on
        if there is none.
        """
        for length in sorted(self._lengths, reverse=True):
            if length <= len(request.tokens) and request.tokens[:length] in self._prompts:
                return request.tokens[:length]
        self._remember(request.tokens)
        return request.tokens

    def _remember(self, prompt: tuple[int, ...]) -> None:
        self._prompts[prompt] = None
        self._lengths[len(prompt)] = self._lengths.get(len(prompt), 0) + 1
        if len(self._prompts) > self.most:
            oldest = next(iter(self._prompts))
            del self._prompts[oldest]
            self._lengths[len(oldest)] -= 1
            if not self._lengths[len(oldest)]:
                del self._lengths[len(oldest)]
