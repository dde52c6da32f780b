"""The tester: the process that holds the test and the nonce. It is the one that is started."""

from __future__ import annotations

import builtins
import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from k15.graders.code.asserts.server import PR_SET_DUMPABLE, become_server, prctl
from k15.graders.code.asserts.values import decode, encode


class Connection:
    """The tester's end."""

    def __init__(self, requests: TextIO, replies: TextIO) -> None:
        self.requests, self.replies = requests, replies

    def ask(self, function: Handle | str, *arguments: Any, **named: Any) -> Any:
        """What the server's function returns; raises the builtin exception that it raised."""
        reply = self.exchange(function, arguments, named)
        if "raised" in reply:
            name, message = reply["raised"]
            kind = getattr(builtins, name)
            if not (isinstance(kind, type) and issubclass(kind, BaseException)):
                raise ValueError(f"{name} is no exception")
            error = kind.__new__(kind)  # some want more arguments than a message
            error.args = (message,)
            raise error
        for index, now in reply["changed"].items():
            replace(arguments[int(index)], self.decode(now))
        return self.decode(reply["value"])

    def exchange(
        self, function: Handle | str, arguments: Sequence[Any], named: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Send a request and wait for its reply, raw."""
        target = {"handle": function._number} if isinstance(function, Handle) else function
        given = [encode(value, self.number) for value in arguments]
        pairs = [[key, encode(value, self.number)] for key, value in named.items()]
        self.requests.write(json.dumps([target, given, {"dict": pairs}]) + "\n")
        self.requests.flush()
        line = self.replies.readline()
        if not line.endswith("\n"):
            raise EOFError("the program ended its process")
        return json.loads(line)

    def number(self, value: object) -> dict[str, Any]:
        if isinstance(value, Handle):
            return {"handle": value._number}
        raise Unsupported(f"a {type(value).__name__} cannot be handed to the program")

    def decode(self, data: Any) -> Any:
        return decode(data, lambda number: Handle(self, number))


class Unsupported(BaseException):
    """The test wants what this design does not offer; no fault of the program's."""


class Handle:
    """Stands for an object of the program; whatever is asked of it is asked of the server."""

    __slots__ = ("_ask", "_number")
    _ask: Any
    _number: int

    def __init__(self, connection: Connection, number: int) -> None:
        object.__setattr__(self, "_ask", connection.ask)
        object.__setattr__(self, "_number", number)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._ask(self, *arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return self._ask("getattr", self, name)

    def __setattr__(self, name: str, value: object) -> None:
        self._ask("setattr", self, name, value)

    def __getitem__(self, key: object) -> Any:
        return self._ask("getitem", self, key)

    def __setitem__(self, key: object, value: object) -> None:
        self._ask("setitem", self, key, value)

    def __iter__(self) -> Iterator[Any]:
        return self._ask("iter", self)

    def __next__(self) -> Any:
        return self._ask("next", self)

    def __len__(self) -> int:
        return self._ask("len", self)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and self._number == other._number

    def __hash__(self) -> int:
        return hash(self._number)


class Names(dict[str, Any]):
    """The test's globals: its own, the builtins, else the program's."""

    def __init__(self, connection: Connection, names: Iterable[str]) -> None:
        self["__name__"], self["__builtins__"] = "test", builtins
        self._ask = connection.ask
        for name in names:
            self[name] = self._ask("name", name)

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            raise KeyError(name)
        return self._ask("name", name)


def replace(old: Any, new: Any) -> None:
    """Let a list, dict, set or bytearray become what the program made of it."""
    if type(old) is not type(new):
        raise ValueError("an argument changed its type")
    if isinstance(old, list | bytearray):
        old[:] = new
    else:
        old.clear()
        old.update(new)


def test(connection: Connection, request: Mapping[str, Any]) -> tuple[str, str]:
    """Run the test; (status, what to say about it)."""
    try:
        connection.ask("load", request["prelude"], request["program"])
        if "function" in request:
            function = connection.ask("name", request["function"])
            reply = connection.exchange(function, request["arguments"], {})
            if "value" in reply:
                return "returned", json.dumps(reply["value"])
            return "failed", one_line(reply["raised"][1])
        code = compile(request["code"], "test", "exec", dont_inherit=True)
        exec(code, Names(connection, request["names"]))
    except Unsupported as reason:
        return "broken", str(reason)
    except BaseException as error:  # whatever it is, the test did not run to its end
        return "failed", said(error, request.get("code", ""))
    return "passed", ""


def said(error: BaseException, code: str) -> str:
    """An error, and the line of the test that it came from."""
    step, line = error.__traceback__, ""
    while step is not None:
        if step.tb_frame.f_code.co_filename == "test":
            line = f" at: {code.splitlines()[step.tb_lineno - 1]}"
        step = step.tb_next
    return one_line(f"{type(error).__name__}: {error}{line}")


def one_line(text: object) -> str:
    return " ".join(str(text).split())[:300]


def main() -> None:
    """Read one request from stdin, write reports to stdout, a line each: nonce, status, payload.

    A request is {nonce, prelude, program} with {code, names} for asserts or {function, arguments}
    for a call. Statuses: broken (the grader's fault), or started and then passed, failed or
    returned.
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
            say("started")
            say(*test(Connection(out, back), request))
        os.kill(server, signal.SIGKILL)
