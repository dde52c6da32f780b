"""Servers in threads of the test's process, as if they ran elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from k15.engines.servers.http_server import http_server
from k15.engines.servers.server import Server
from k15.engines.weightless import description
from tests.engines.servers.steady import Steady


@contextmanager
def hosted(
    policy: Any,
    *,
    token: str | None = None,
    port: int = 0,
    spoil: Callable[[dict, dict], Any] | None = None,
    **settings: Any,
) -> Iterator[tuple[str, Server]]:
    """Its URL; `spoil` is given each exchange and what is to be answered, and may change it."""
    server = Server(lambda: Steady(**settings), description(policy))
    if spoil is not None:
        exchange = server.desk.exchange

        def spoiled(message: dict) -> dict:
            reply = exchange(message)
            return spoil(message, reply) or reply

        server.desk.exchange = spoiled  # type: ignore[method-assign]
    listener = http_server(server, "127.0.0.1", port, token)
    threads = [threading.Thread(target=server.run)]
    threads += [threading.Thread(target=listener.serve_forever, args=(0.05,))]
    for thread in threads:
        thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_address[1]}", server
    finally:
        listener.shutdown()
        listener.server_close()
        server.end()
        for thread in threads:
            thread.join(10)
