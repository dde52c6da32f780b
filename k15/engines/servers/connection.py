"""One server over HTTP, as the trainer reaches it; every wait has a deadline."""

from __future__ import annotations

import copy
import http.client
import json
import os
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

from k15.engines.servers.wire import Json
from k15.weights.routes.protocol import Offer, Receiver

TOKEN = "K15_SERVER_TOKEN"
BETWEEN = 1.0  # seconds between signs of life
KINDS = {"http": http.client.HTTPConnection, "https": http.client.HTTPSConnection}


class Lost(Exception):
    """The server is dead, hangs, or says what makes no sense; others go on with what it had."""


class Refused(Exception):
    """The server lives and does not want: `kind` is the class of the error behind it."""

    def __init__(self, message: str, status: int, kind: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


class Connection(Receiver):
    """Of one run; `here` says whether the server shares this machine's memory.

    `seconds` are waited for each answer, `load_seconds` for weights to be taken.
    """

    def __init__(
        self,
        url: str,
        *,
        run: str,
        token: str | None,
        here: bool = False,
        seconds: float = 30.0,
        load_seconds: float = 600.0,
    ) -> None:
        self.url, self.here = url, here
        self.seconds, self.load_seconds = seconds, load_seconds
        self._headers = {"X-K15-Run": run}
        token = token or os.environ.get(TOKEN)
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._kept: http.client.HTTPConnection | None = None

    def get(self, path: str) -> Json:
        """The answer; raises Lost and Refused."""
        return self._ask("GET", path, None, self.seconds)

    def post(self, path: str, message: Json, seconds: float | None = None) -> Json:
        """The answer, waited for so long where it takes longer; raises Lost and Refused."""
        return self._ask("POST", path, json.dumps(message).encode(), seconds or self.seconds)

    def load(self, offer: Offer, body: Iterable[memoryview] = (), size: int = 0) -> None:
        """Have it take weights; raises Refused, and Lost also if it has another version then."""
        head = json.dumps({**offer, "seconds": self.load_seconds}).encode() + b"\n"
        whole: Iterator[Any] = chain([head], body)
        found = self._ask("POST", "/weights", whole, self.load_seconds, len(head) + size)
        if found.get("version") != offer["version"]:
            raise Lost(f"{self.url} has weights {found.get('version')}, not {offer['version']}")

    def another(self) -> Connection:
        """To the same server."""
        other = copy.copy(self)
        other._kept = None
        return other

    def abort(self) -> None:
        """Let who waits for an answer find that there is none; from another thread."""
        if self._kept is not None and self._kept.sock is not None:
            with suppress(OSError):
                self._kept.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """It can be used again."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[Any] | None,
        seconds: float,
        size: int | None = None,
    ) -> Json:
        connection = self._connection(seconds)
        headers = self._headers | ({} if size is None else {"Content-Length": str(size)})
        try:
            try:
                connection.request(method, path, body, headers)
            except (BrokenPipeError, ConnectionResetError):
                if size is None:  # else it may have said why it reads no further
                    raise
            answer = connection.getresponse()
            found = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Lost(f"{self.url}: {type(error).__name__} {error}".rstrip()) from error
        except BaseException:
            self.close()
            raise
        if answer.status >= 500:
            raise Lost(f"{self.url} answers {answer.status}: {found.get('error', '')}")
        if answer.status != 200:
            self.close()
            message = f"{self.url}: {found.get('error', answer.status)}"
            raise Refused(message, answer.status, found.get("kind", ""))
        return found

    def _connection(self, seconds: float) -> http.client.HTTPConnection:
        if self._kept is None:
            place = urlsplit(self.url)
            self._kept = KINDS[place.scheme](place.netloc, timeout=seconds)
        self._kept.timeout = seconds
        if self._kept.sock is not None:
            self._kept.sock.settimeout(seconds)
        return self._kept


@contextmanager
def watched(connection: Connection) -> Iterator[None]:
    """While it waits long for one answer, ask for others: it is cut off if these do not come."""
    done = threading.Event()

    def watch() -> None:
        other = connection.another()
        while not done.wait(BETWEEN):
            try:
                other.get("/health")
            except (Lost, Refused):
                connection.abort()
                break
        other.close()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
