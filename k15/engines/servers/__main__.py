"""Serve an engine to trainers elsewhere: python -m k15.engines.servers [group=choice ...]
[key=value ...].

--help lists the groups and choices, --cfg prints the composed configuration.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from k15.config import ConfigError, Parts, load
from k15.engines.protocol import RolloutEngine
from k15.engines.servers.connection import TOKEN
from k15.engines.servers.http_server import http_server
from k15.engines.servers.registry import RENEWED, SERVERS, Registry, open_registry
from k15.engines.servers.server import Server
from k15.exits import exit_on_error


@exit_on_error()
def main(argv: Sequence[str]) -> None:
    """Serve until Ctrl-C or SIGTERM; an engine that breaks ends it with its traceback."""
    config = load("serve", argv)
    from k15.engines.weightless import description
    from k15.progress import quiet

    quiet()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    registry = open_registry(config.registry, config.registry_at)
    make, policy = engine_of(config)
    server = Server(make, description(policy))
    token = config.token or os.environ.get(TOKEN)
    listener = http_server(server, config.host, config.port, token)
    url = config.url or "http://{}:{}".format(*listener.server_address[:2])
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    print(f"serving on {url}: {server.slots} responses side by side", flush=True)
    with suppress(KeyboardInterrupt), Announced(registry, url, server):
        server.run()


def engine_of(config: Any) -> tuple[Callable[[], RolloutEngine], Any]:
    """What makes the engine, and the policy that it is made for.

    Raises ConfigError for one that would go on with the weights that it was made with.
    """
    import torch

    torch.set_num_threads(config.threads)
    if config.engine.get("copy") is False:
        raise ConfigError(
            "engine.copy=false: a server needs weights of its own, for the trainer's to go into; "
            "say engine.copy=true"
        )
    policy = Parts(config)["policy"]
    return lambda: Parts(config, policy=policy).build(config.engine), policy


class Announced:
    """In the registry, if there is one, as a server that joins; a context manager."""

    def __init__(self, registry: Registry | None, url: str, server: Server) -> None:
        self.registry, self.url, self.server = registry, url, server
        self.key = SERVERS + url.partition("://")[2].replace("/", "_")
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> None:
        if self.registry is not None:
            self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._done.set()
        if self.registry is not None:
            self._thread.join(RENEWED)
            with suppress(OSError):
                self.registry.remove(self.key)

    def _renew(self) -> None:
        assert self.registry is not None
        while not self._done.is_set():
            with suppress(OSError):  # until it answers again
                self.registry.put(self.key, {"url": self.url, "joins": True, **self._state()})
            self._done.wait(RENEWED)

    def _state(self) -> dict[str, Any]:
        state = self.server.state()
        return {name: state[name] for name in ("host", "process", "slots", "version")}


if __name__ == "__main__":
    main(sys.argv[1:])
