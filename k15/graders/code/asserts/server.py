"""The server: the process that holds the program and answers the tester."""

from __future__ import annotations

import builtins
import ctypes
import json
import operator
import os
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any, TextIO

from k15.graders.code.asserts.values import decode, encode

PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 4, 38  # linux/prctl.h


class Server:
    """Carries out what the tester asks for."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self.objects: list[Any] = []
        self.numbers: dict[int, int] = {}
        """Id of an object -> its place in `objects`, which keeps it alive."""
        self.functions: dict[str, Any] = {
            "load": self.load,
            "name": self.name,
            "getattr": getattr,
            "setattr": setattr,
            "getitem": operator.getitem,
            "setitem": operator.setitem,
            "iter": iter,
            "next": next,
            "reversed": reversed,
            "len": len,
            "str": str,
            "repr": repr,
            "format": format,
            "isinstance": type.__instancecheck__,
            "enter": lambda manager: type(manager).__enter__(manager),
            "exit": lambda manager: type(manager).__exit__(manager, None, None, None),
        }

    def load(self, prelude: str, program: str) -> None:
        """Run the program as a module that was imported: `__name__` is not "__main__".

        It finds the prelude's names as it finds the builtins, so that they are never its own.
        """
        given = {**vars(builtins), "__name__": "prelude"}
        exec(compile(prelude, "prelude", "exec", dont_inherit=True), given)
        module = sys.modules["solution"] = ModuleType("solution")
        self.names = module.__dict__
        self.names["__builtins__"] = given
        exec(compile(program, "solution.py", "exec", dont_inherit=True), self.names)

    def name(self, name: str) -> Any:
        """A global of the program, or a method of its class Solution."""
        if name in self.names:
            return self.names[name]
        if hasattr(self.names.get("Solution"), name):
            return getattr(self.names["Solution"](), name)
        raise NameError(f"the program does not define {name}")

    def handle(self, value: object) -> dict[str, int]:
        if id(value) not in self.numbers:
            self.numbers[id(value)] = len(self.objects)
            self.objects.append(value)
        return {"handle": self.numbers[id(value)]}

    def answer(self, request: list[Any]) -> dict[str, Any]:
        """What one call returned or raised, and the arguments that it changed in place."""
        function, given, named = request
        arguments = decode(given, self.objects.__getitem__)
        named = decode(named, self.objects.__getitem__)
        if isinstance(function, str):
            function = self.functions[function]
        else:
            function = self.objects[function["handle"]]
        try:
            value = function(*arguments, **named)
        except BaseException as error:  # the program's errors, SystemExit too, are for the test
            return {"raised": self.described(error)}
        changed = {}
        for index, argument in enumerate(arguments):
            if type(argument) in (list, dict, set, bytearray):
                after = encode(argument, self.handle)
                if after != given[index]:
                    changed[index] = after
        return {"value": encode(value, self.handle), "changed": changed}

    def described(self, error: BaseException) -> list[Any]:
        """The builtin exception that an error is, its arguments, and words for a person."""
        kinds = (kind.__name__ for kind in type(error).__mro__)
        name = next(name for name in kinds if hasattr(builtins, name))
        words = f"{type(error).__name__}: {error}"
        return [name, [encode(argument, self.handle) for argument in error.args], words]


def serve(requests: Iterable[str], replies: TextIO) -> None:
    """Answer until the tester closes its end."""
    server = Server()
    for line in requests:
        try:
            reply = json.dumps(server.answer(json.loads(line)))
        except BaseException as error:  # a value too deep to be written, and the like
            reply = json.dumps({"raised": ["ValueError", [], f"{type(error).__name__}: {error}"]})
        replies.write(reply + "\n")
        replies.flush()


def prctl(option: int, value: int) -> None:
    if ctypes.CDLL(None).prctl(option, value, 0, 0, 0):
        raise OSError(f"prctl {option} is refused")


def exposed(process: int) -> bool:
    """Whether this process can read another one's memory."""
    try:
        os.close(os.open(f"/proc/{process}/mem", os.O_RDONLY))
    except OSError:
        return False
    return True


def become_server(requests: int, replies: int, tester: int) -> None:
    """Leave the tester's files behind; then serve."""
    void = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(void, number)
    prctl(PR_SET_NO_NEW_PRIVS, 1)
    with os.fdopen(requests, encoding="utf-8") as lines, os.fdopen(replies, "w") as answers:
        answers.write("exposed\n" if exposed(tester) else "ready\n")
        answers.flush()
        prctl(PR_SET_DUMPABLE, 1)
        serve(lines, answers)
