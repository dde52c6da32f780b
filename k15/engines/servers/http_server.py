"""The HTTP of a server: JSON both ways, weights as bytes behind their offer."""

from __future__ import annotations

import hmac
import json
import traceback
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from k15.config.errors import ConfigError
from k15.engines.servers.server import Refusal, Server
from k15.engines.servers.wire import Json

LOOPBACK = ("127.0.0.1", "::1", "localhost")
SILENCE = 60.0  # seconds in which nothing comes of a message that has begun
LARGEST = 1 << 30  # bytes of a JSON message


def http_server(server: Server, host: str, port: int, token: str | None) -> ThreadingHTTPServer:
    """Listens from now on, answers once `serve_forever` runs.

    Raises ConfigError for an address that others reach without a token, or that is taken.
    """
    if host not in LOOPBACK and not token:
        raise ConfigError(
            f"host={host}: whoever reaches it could use this server; give it a token "
            "(K15_SERVER_TOKEN), or host=127.0.0.1"
        )

    class Handler(Exchange):
        """Of this server."""

    Handler.server_of_ours, Handler.token = server, token
    try:
        return Listener((host, port), Handler)
    except OSError as error:
        raise ConfigError(f"host={host} port={port}: {error.strerror}; choose another") from error


class Listener(ThreadingHTTPServer):
    """A thread for each connection; none keeps the process from ending."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are the trainer's to notice."""


class Exchange(BaseHTTPRequestHandler):
    """One connection; `server_of_ours` does what is asked."""

    protocol_version = "HTTP/1.1"
    timeout = SILENCE
    disable_nagle_algorithm = True
    server_of_ours: Server
    token: str | None

    def do_GET(self) -> None:
        """`/health`: that it lives."""
        self._answer({"/health": lambda: self.server_of_ours.state(self._run)})

    def do_POST(self) -> None:
        """What the path names."""
        server = self.server_of_ours
        self._answer(
            {
                "/claim": lambda: server.claim(self._run),
                "/release": self._release,
                "/exchange": self._exchange,
                "/score": self._score,
                "/weights": self._weights,
            }
        )

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: there are several messages a second."""

    @property
    def _run(self) -> str:
        return self.headers.get("X-K15-Run", "")

    @property
    def _length(self) -> int:
        return int(self.headers.get("Content-Length") or 0)

    def _release(self) -> Json:
        self.server_of_ours.check_owner(self._run)
        self.server_of_ours.release()
        return {}

    def _exchange(self) -> Json:
        return self.server_of_ours.desk.exchange(self._message())

    def _score(self) -> Json:
        return self.server_of_ours.score(self._message())

    def _message(self) -> Json:
        """Of the run that is served."""
        self.server_of_ours.check_owner(self._run)
        if self._length > LARGEST:
            raise Refusal(413, f"a message of {self._length} bytes")
        self.read_all = True
        return json.loads(self.rfile.read(self._length))

    def _weights(self) -> Json:
        """The offer is a line of JSON; what follows is for the route."""
        self.server_of_ours.check_owner(self._run)
        body: Any = Limited(self.rfile, self._length)
        offer = json.loads(body.readline())
        found = self.server_of_ours.load(offer, body, float(offer["seconds"]))
        self.read_all = body.left == 0
        return found

    def _answer(self, paths: dict[str, Callable[[], Json]]) -> None:
        self.read_all = self._length == 0
        try:
            self._check_token()
            if self.path not in paths:
                raise Refusal(404, f"{self.path}: choose {', '.join(paths)}")
            status, found = 200, paths[self.path]()
        except Refusal as refusal:
            status, found = refusal.status, {"error": str(refusal), "kind": refusal.kind}
        except (KeyError, ValueError, TypeError) as error:
            status, found = 400, {"error": f"{type(error).__name__}: {error}"}
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            return
        except Exception:  # whatever it is, who asked is told
            status, found = 500, {"error": traceback.format_exc()}
        self._send(status, json.dumps(found).encode())

    def _check_token(self) -> None:
        """In a time that says nothing of how much of it was right."""
        given = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.token and not hmac.compare_digest(given.encode(), self.token.encode()):
            raise Refusal(401, "the token is not this server's (engine.token, K15_SERVER_TOKEN)")

    def _send(self, status: int, content: bytes) -> None:
        self.close_connection = self.close_connection or not self.read_all
        head = f"HTTP/1.1 {status} {'OK' if status == 200 else 'No'}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        head += "Connection: close\r\n" if self.close_connection else ""
        with suppress(ConnectionError):
            self.wfile.write(head.encode() + b"\r\n" + content)


class Limited:
    """As much of a connection as one message has."""

    def __init__(self, file: Any, left: int) -> None:
        self.file, self.left = file, left

    def readline(self) -> bytes:
        line = self.file.readline(self.left)
        self.left -= len(line)
        return line

    def readinto(self, into: memoryview) -> int:
        read = self.file.readinto(into[: self.left])
        self.left -= read
        return read
