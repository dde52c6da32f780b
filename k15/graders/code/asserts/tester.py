"""The tester: the process that holds the test and the nonce. It is the one that is started."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

from k15.graders.code.asserts.handles import Connection, Handle
from k15.graders.code.asserts.server import PR_SET_DUMPABLE, become_server, prctl
from k15.graders.code.asserts.values import decode


def test(connection: Connection, request: Mapping[str, Any]) -> tuple[str, str]:
    """Run the test; (status, what to say about it)."""
    try:
        connection.ask("load", request["prelude"], request["program"])
        if "function" in request:
            return call(connection, request["function"], decode(request["arguments"]))
        run(connection, request)
    except BaseException as error:  # whatever it is, the test did not run to its end
        return "failed", said(error, request.get("code", ""))
    return "passed", ""


def call(connection: Connection, name: str, arguments: list[Any]) -> tuple[str, str]:
    """What the function returns, as the server wrote it."""
    function = connection.ask("name", name)
    if not isinstance(function, Handle):
        return "failed", f"{name} is no function"
    reply = connection.exchange(function, arguments, {})
    if "value" in reply:
        return "returned", json.dumps(reply["value"])
    return "failed", one_line(reply["raised"][-1])


def run(connection: Connection, request: Mapping[str, Any]) -> None:
    """Run the asserts: their globals are the prelude's names and the entry points."""
    names = request["namespace"]
    names.update((name, connection.ask("name", name)) for name in request["names"])
    exec(compile(request["code"], "test", "exec", dont_inherit=True), names)
    if connection.lost is not None:  # a bare `except:` of the test's hid it
        raise connection.lost


def prepared(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request, with the namespace that the prelude makes for the asserts."""
    names: dict[str, Any] = {"__name__": "__main__"}  # `if __name__ == "__main__"` is to run
    if "code" in request:
        exec(compile(request["prelude"], "prelude", "exec", dont_inherit=True), names)
    return {**request, "namespace": names}


def said(error: BaseException, code: str) -> str:
    """An error, and the line of the test that it came from."""
    step, line = error.__traceback__, ""
    while step is not None:
        if step.tb_frame.f_code.co_filename == "test":
            line = f" at: {code.splitlines()[step.tb_lineno - 1]}"
        step = step.tb_next
    return one_line(f"{type(error).__name__}: {error}{line}")


def one_line(text: object) -> str:
    return " ".join(str(text).encode(errors="replace").decode().split())[:300]


def main() -> None:
    """Read one request from stdin, write reports to stdout, a line each: nonce, status, payload.

    A request is {nonce, prelude, program} with {code, names, in_place, nan} for asserts or
    {function, arguments} for a call. Statuses: broken (the grader's fault), or started and then
    passed, failed or returned.
    """
    prctl(PR_SET_DUMPABLE, 0)
    tester = os.getpid()
    (requests, asking), (answers, replies) = os.pipe(), os.pipe()
    server = os.fork()
    if server == 0:
        os.close(asking)
        os.close(answers)
        try:
            become_server(requests, replies, tester)
        finally:
            os._exit(0)
    os.close(requests)
    os.close(replies)
    # From here on the program may write files: import nothing that it could have written.
    sys.path = [path for path in sys.path if os.path.exists(path) and not os.access(path, os.W_OK)]
    with os.fdopen(asking, "w") as out, os.fdopen(answers, encoding="utf-8") as back:
        door = back.readline().strip()
        request = json.loads(sys.stdin.readline())
        report, sys.stdout = sys.stdout, sys.stderr

        def say(status: str, payload: str = "") -> None:
            report.write(f"{request['nonce']} {status} {payload}\n")
            report.flush()

        if door != "ready":
            say("broken", "the program could read the tester's memory in this sandbox")
        else:
            allowed = {name: request.get(name, False) for name in ("in_place", "nan")}
            connection = Connection(out, back, **allowed)
            request = prepared(request)
            say("started")
            say(*test(connection, request))
        os.kill(server, signal.SIGKILL)
