"""A server's desk: requests come in, the engine takes them, what they become is given out.

exchange (a thread of HTTP) ──► waiting ──► feed (the engine pulls) ──► told, ended ──┐
         ▲                                                                            │
         └──────────────────────────── answers, until the trainer has them ◄──────────┘
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from k15.engines.protocol import Completion, Request, Sampling
from k15.engines.servers.wire import Json, news, picture_from, request_from, sampling_from

if TYPE_CHECKING:
    from PIL.Image import Image

LONGEST_WAIT = 10.0  # seconds


@dataclass(slots=True)
class Answer:
    """What has become of one request."""

    tokens: tuple[int, ...] = ()
    logps: tuple[float, ...] = ()
    finish: str | None = None


class Work:
    """One call of the engine's `generate`, or a piece of it: as long as there are requests."""

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self.pulled: list[int] = []
        """Numbers of the requests in the order in which the engine has pulled them."""
        self.ended = 0
        self.over = False
        """Nobody waits for it any more."""


class Desk:
    """`stop` ends the engine's newest call, `progress` tells of its responses; from any thread."""

    def __init__(
        self, stop: Callable[[], None], progress: Callable[[], Iterable[Completion]]
    ) -> None:
        self.changed = threading.Condition()
        self._stop, self._progress = stop, progress
        self._call: Any = None
        self._sampling = Sampling()
        self._stopped = False
        self._waiting: deque[tuple[int, Request]] = deque()
        self._answers: dict[int, Answer] = {}
        self._pictures: dict[str, Image] = {}
        self._work: Work | None = None

    def exchange(self, message: Mapping[str, Any]) -> Json:
        """Take what is new for the engine; return what is new for the trainer."""
        until = time.monotonic() + min(float(message["wait"]), LONGEST_WAIT)
        with self.changed:
            if message["call"] != self._call:
                self._begin(message)
            self._take(message)
            if message["stop"] and not self._stopped:
                self._stop_all()
            have = {int(number): tokens for number, tokens in message["have"].items()}
            self._answers = {n: a for n, a in self._answers.items() if n in have}
            self.changed.notify_all()
            while not self._ended(have) and self._call == message["call"]:
                if not self.changed.wait(until - time.monotonic()):
                    break
            return self._reply(message["call"], have)

    def reset(self) -> None:
        """Nobody waits for what is under way; weights are about to change, or a trainer left."""
        with self.changed:
            self._forget(None)

    def next(self, more: Callable[[], Any]) -> Any:
        """For the engine's thread: wait for something to generate, or for what `more` finds."""
        with self.changed:
            while True:
                if (found := more()) is not None:
                    return found
                if self._waiting and not self._stopped:
                    self._work = Work(self._sampling)
                    return self._work
                self.changed.wait()

    def feed(self, work: Work) -> Iterator[Request | None]:
        """What the engine pulls its requests from; None: none before a response has ended."""
        request: Request | None
        while True:
            with self.changed:
                if work.over or self._stopped:
                    return
                if self._waiting:
                    number, request = self._waiting.popleft()
                    work.pulled.append(number)
                elif work.ended < len(work.pulled):
                    request = None
                else:
                    return
            yield request

    def ended(self, work: Work, completion: Completion) -> None:
        """A response, whole or cut."""
        with self.changed:
            work.ended += 1
            answer = self._answers.get(work.pulled[completion.index])
            if work.over or answer is None:
                return
            answer.tokens, answer.logps = completion.tokens, completion.logps
            answer.finish = completion.finish
            self.changed.notify_all()

    def _begin(self, message: Mapping[str, Any]) -> None:
        self._forget(message["call"])
        self._sampling = sampling_from(message["sampling"])

    def _forget(self, call: Any) -> None:
        if self._work is not None and not self._work.over:
            self._work.over = True
            self._stop()
        self._call, self._stopped = call, False
        self._waiting.clear()
        self._answers.clear()
        self._pictures.clear()
        self.changed.notify_all()

    def _take(self, message: Mapping[str, Any]) -> None:
        for key, text in message["pictures"].items():
            self._pictures.setdefault(key, picture_from(text))
        for fields in message["requests"]:
            if fields["id"] not in self._answers:
                self._answers[fields["id"]] = Answer()
                self._waiting.append((fields["id"], request_from(fields, self._pictures)))

    def _stop_all(self) -> None:
        """What has not begun comes back without tokens, the rest from the engine."""
        self._stopped = True
        for number, _ in self._waiting:
            self._answers[number].finish = "cut"
        self._waiting.clear()
        self._stop()

    def _ended(self, have: Mapping[int, int]) -> bool:
        return any(number not in self._answers or self._answers[number].finish for number in have)

    def _reply(self, call: Any, have: Mapping[int, int]) -> Json:
        if call == self._call:
            self._look()
        here = self._answers if call == self._call else {}
        told = {
            number: news(here[number].tokens, here[number].logps, here[number].finish, tokens)
            for number, tokens in have.items()
            if number in here
        }
        return {
            "answers": {number: one for number, one in told.items() if one is not None},
            "unknown": [number for number in have if number not in here],
        }

    def _look(self) -> None:
        """At what the engine has of responses that have not ended."""
        work = self._work
        if work is None or work.over:
            return
        for part in self._progress():
            if part.index < len(work.pulled):
                answer = self._answers.get(work.pulled[part.index])
                if answer and answer.finish is None and len(part.tokens) > len(answer.tokens):
                    answer.tokens, answer.logps = part.tokens, part.logps
