"""A server process that the trainer has started: python -m k15.engines.servers.child

Its standard input has one line, what it is to be, and ends with the trainer; its standard output
gets one line, where it listens or why it cannot; the rest that it says goes to standard error.
"""

from __future__ import annotations

import ctypes
import inspect
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from k15.config.errors import ConfigError, is_users
from k15.engines.protocol import RolloutEngine
from k15.engines.servers.http_server import http_server
from k15.engines.servers.server import Server

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until the trainer ends, or says so."""
    parent = os.getppid()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    spec = json.loads(first_line() or "{}")
    if not spec or os.getppid() != parent:
        return
    threading.Thread(target=end_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        server = Server(maker(spec), spec["model"])
        listener = http_server(server, "127.0.0.1", 0, spec["token"])
    except Exception as error:
        if not is_users(error):
            raise
        tell(told, {"error": str(error)})
        raise SystemExit(2) from None
    tell(told, {"port": listener.server_address[1]})
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    server.run()


def first_line() -> bytes:
    """Of standard input, and no byte more."""
    with open(0, "rb", buffering=0, closefd=False) as given:
        return given.readline()


def end_with_parent() -> None:
    """Standard input has ended: nobody needs this process. (Where a fork of the trainer still has
    its end open, PR_SET_PDEATHSIG does it, which ends a stopped process, too.)
    """
    while os.read(0, 1):
        pass
    os._exit(1)


def maker(spec: Mapping[str, Any]) -> Callable[[], RolloutEngine]:
    """What makes the engine: `spec["engine"]` is the import path of its class.

    One with a parameter `policy` gets the model whose folder this is, without weights.
    """
    from k15.config.targets import import_target

    target: Any = import_target(spec["engine"])
    given = dict(spec["settings"])
    if "policy" in inspect.signature(target).parameters:
        import torch

        from k15.engines.weightless import read_policy

        torch.set_num_threads(spec["threads"])
        given["policy"] = read_policy(spec["folder"], target.weightless)
    return lambda: target(**given)


def tell(out: Any, what: Mapping[str, Any]) -> None:
    """The line that the trainer waits for."""
    print(json.dumps(what), file=out, flush=True)


if __name__ == "__main__":
    try:
        main()
    except ConfigError as error:
        sys.exit(str(error))
