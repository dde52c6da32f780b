"""A server: one engine, in the main thread, for one trainer at a time."""

from __future__ import annotations

import os
import socket
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict
from typing import Any, BinaryIO

from k15.engines.protocol import Completion, RolloutEngine, Scored
from k15.engines.servers.desk import Desk, Work
from k15.engines.servers.wire import Json, examples_from
from k15.types import Example
from k15.weights.routes.protocol import received

LEASE = 60.0
"""Seconds without a word from a trainer after which the server is free for another one."""


class Refusal(Exception):
    """What a trainer is told: `status` is HTTP's, `kind` the class of the error behind it."""

    def __init__(self, status: int, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


class Server:
    """`make` makes the engine, again after weights that it did not take; `model` says which model
    it has.
    """

    def __init__(self, make: Callable[[], RolloutEngine], model: Mapping[str, Any]) -> None:
        self.make, self.model = make, dict(model)
        self.engine: RolloutEngine | None = make()
        self.slots = int(getattr(self.engine, "slots", 1))
        self.desk = Desk(self._stop, self._progress)
        self.owner: str | None = None
        self.heard = 0.0
        self._owning = threading.Lock()
        self._commands: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._ending = False

    def run(self) -> None:
        """Until `end`, or until the engine breaks: it raises what the engine raised."""
        try:
            while not self._ending:
                self._do(self.desk.next(self._command))
        finally:
            self._close_engine()

    def end(self) -> None:
        """Let `run` return when the engine has stopped; from any thread."""
        self._ending = True
        self.desk.reset()

    def state(self, run: str = "") -> Json:
        """For whoever asks; it is a sign of life of the run that is served."""
        with self._owning:
            if run and run == self.owner:
                self.heard = time.monotonic()
        return {
            "version": self.engine.version if self.engine else None,
            "slots": self.slots,
            "owner": self.owner,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "model": self.model,
        }

    def claim(self, run: str) -> Json:
        """Serve this run from here on; raises Refusal if another one is served."""
        with self._owning:
            silent = time.monotonic() - self.heard
            if self.owner not in (None, run) and silent < LEASE:
                raise Refusal(
                    409,
                    f"it serves another run ({self.owner}, heard of {silent:.0f} s ago); end that "
                    "one, or give each run servers of its own",
                )
            self.owner, self.heard = run, time.monotonic()
        self.desk.reset()
        return self.state()

    def check_owner(self, run: str) -> None:
        """Raises Refusal unless it serves this run."""
        with self._owning:
            if run != self.owner:
                raise Refusal(409, f"it serves another run ({self.owner})")
            self.heard = time.monotonic()

    def release(self) -> None:
        """The run needs it no more."""
        with self._owning:
            self.owner = None
        self.desk.reset()

    def load(self, offer: Mapping[str, Any], body: BinaryIO, seconds: float) -> Json:
        """Take weights, between two calls of the engine.

        Raises Refusal if the engine does not take them, which then is made anew for the next ones,
        TimeoutError if it has not within `seconds`.
        """
        done: Future[None] = Future()
        self._commands.append((lambda: self._load(offer, body), done))
        self.desk.reset()
        done.result(seconds)
        return {"version": self.engine.version if self.engine else None}

    def score(self, message: Mapping[str, Any]) -> Json:
        """Rate a piece of given responses, between two calls of the engine.

        Raises Refusal for what the engine says of them, or that it cannot.
        """
        done: Future[list[Scored]] = Future()
        examples = examples_from(message)
        self._commands.append((lambda: self._score(examples), done))
        self.desk.reset()
        return {"scored": [asdict(one) for one in done.result()]}

    def _command(self) -> Any:
        if self._ending:
            return self._ending
        return self._commands.popleft() if self._commands else None

    def _do(self, found: Any) -> None:
        if isinstance(found, Work):
            self._generate(found)
        elif isinstance(found, tuple):
            command, done = found
            try:
                done.set_result(command())
            except Exception as error:
                done.set_exception(error)

    def _generate(self, work: Work) -> None:
        for completion in self._loaded().generate(self.desk.feed(work), work.sampling):
            self.desk.ended(work, completion)

    def _score(self, examples: Sequence[Example]) -> list[Scored]:
        try:
            return [*self._loaded().score(examples)]
        except ValueError as error:
            raise Refusal(422, str(error), type(error).__name__) from error
        except Exception:  # nobody knows what state it is in
            self._close_engine()
            raise

    def _loaded(self) -> RolloutEngine:
        if self.engine is None or self.engine.version is None:
            raise RuntimeError("requests came before weights")
        return self.engine

    def _load(self, offer: Mapping[str, Any], body: BinaryIO) -> None:
        try:
            self.engine = self.engine or self.make()
            self.engine.wake()
            self.engine.load_weights(received(offer, body), int(offer["version"]))
        except Exception as error:
            self._close_engine()  # half of the weights may be new
            traceback.print_exc()
            raise Refusal(422, str(error), type(error).__name__) from error

    def _close_engine(self) -> None:
        engine, self.engine = self.engine, None
        if engine is not None:
            engine.close()

    def _stop(self) -> None:
        if self.engine is not None:
            self.engine.stop()

    def _progress(self) -> Iterable[Completion]:
        return self.engine.progress() if self.engine is not None else ()
