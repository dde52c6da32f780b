"""The tester's view of the program: a connection to the server, and handles of its objects."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from k15.graders.code.asserts.values import decode, encode

ENDINGS = {"StopIteration", "StopAsyncIteration", "GeneratorExit"}
"""Exceptions by which a loop ends without a word."""
LOOKS = {"len", "iter", "next", "reversed", "getitem", "str", "repr", "format", "isinstance"}
"""What leaves an object as it is."""


class Lost(BaseException):
    """The program's process ended, or answers nonsense: no `except Exception` is to hide that."""


class Connection:
    """The tester's end."""

    def __init__(self, requests: TextIO, replies: TextIO, *, in_place: bool, nan: bool) -> None:
        """Over two pipes.

        Args:
            in_place: a function that returns something may change its arguments, too.
            nan: the program may return values that are not a number.
        """
        self.requests, self.replies = requests, replies
        self.in_place, self.nan = in_place, nan
        self.lost: BaseException | None = None
        self.lengths: dict[int, dict[str, int]] = {}
        """Of objects, by number and source, for as long as nothing may have changed them."""

    def ask(self, function: Handle | str, *arguments: Any, **named: Any) -> Any:
        """What the server's function returns; raises the builtin exception that it raised."""
        reply = self.exchange(function, arguments, named)
        try:
            error, value, changed = self.read(reply, function)
            if changed and (value is None or self.in_place):
                for index, now in changed.items():
                    replace(arguments[index], now)
        except Exception as nonsense:  # the program may have written anything
            raise self.lose(Lost(f"no answer: {nonsense}")) from None
        if error is not None:
            raise error
        return value

    def read(
        self, reply: dict[str, Any], function: Handle | str
    ) -> tuple[BaseException | None, Any, dict[int, Any]]:
        """The exception that was raised, or the value returned; the arguments that changed."""
        if "raised" in reply:
            return self.exception(function, *reply["raised"]), None, {}
        changed = {int(index): self.decode(now) for index, now in reply["changed"].items()}
        return None, self.decode(reply["value"]), changed

    def exception(
        self, function: Handle | str, name: str, arguments: list[Any], words: str
    ) -> BaseException:
        """One that ends no loop of the test's; only `next` may say that there is no more."""
        kind = getattr(builtins, name)
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise ValueError(f"{name} is no exception")
        if name in ENDINGS and (function, name) != ("next", "StopIteration"):
            return RuntimeError(words)
        error = kind.__new__(kind)  # some want more arguments than there are
        error.args = tuple(self.decode(arguments))
        return error

    def exchange(
        self, function: Handle | str, arguments: Sequence[Any], named: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Send a request and wait for its reply, raw."""
        target = {"handle": function._number} if isinstance(function, Handle) else function
        given = [encode(value, self.number) for value in arguments]
        pairs = [[key, encode(value, self.number)] for key, value in named.items()]
        if function not in LOOKS:
            for value in (function, *arguments, *named.values()):
                self.lengths.pop(getattr(value, "_number", -1), None)
        try:
            self.requests.write(json.dumps([target, given, {"dict": pairs}]) + "\n")
            self.requests.flush()
            line = self.replies.readline()
            if not line.endswith("\n"):
                raise EOFError("the program ended its process")
            return dict(json.loads(line, parse_constant=self.constant))
        except Exception as error:  # a closed pipe, or no JSON
            raise self.lose(Lost(str(error))) from None

    def constant(self, name: str) -> float:
        """NaN, Infinity or -Infinity."""
        if name == "NaN" and not self.nan:
            raise ValueError("a value that is not a number")
        return float(name)

    def lose(self, lost: Lost) -> Lost:
        self.lost = lost
        return lost

    def number(self, value: object) -> dict[str, Any]:
        if isinstance(value, Handle):
            return {"handle": value._number}
        raise Unsupported(f"a {type(value).__name__} cannot be handed to the program")

    def decode(self, data: Any) -> Any:
        return decode(data, lambda number: Handle(self, number))

    def heard(self, number: int, source: str, length: int, *, ends: bool = False) -> int:
        """The length; an object that has two is not believed.

        Args:
            source: "said" by the object, or "counted".
            ends: it is an iterator, which has no items when they are counted again.
        """
        known = self.lengths.setdefault(number, {})
        again = known.setdefault(source, length)
        if len(set(known.values())) > 1 or (again != length and not ends):
            raise self.lose(Lost("an object of the program's has two lengths"))
        return length


class Unsupported(BaseException):
    """The test wants what this design does not offer."""


class Handle:
    """Stands for an object of the program; whatever is asked of it is asked of the server.

    Its equality, order, arithmetic, truth and membership are not: they would decide an assert. Its
    text is: that decides no more than a text which a function returns.
    """

    __slots__ = ("_connection", "_number")
    _connection: Connection
    _number: int

    def __init__(self, connection: Connection, number: int) -> None:
        if type(number) is not int:
            raise ValueError(f"{number!r} is no number of an object")
        object.__setattr__(self, "_connection", connection)
        object.__setattr__(self, "_number", number)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._connection.ask(self, *arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return self._connection.ask("getattr", self, name)

    def __setattr__(self, name: str, value: object) -> None:
        self._connection.ask("setattr", self, name, value)

    def __getitem__(self, key: object) -> Any:
        return self._connection.ask("getitem", self, key)

    def __setitem__(self, key: object, value: object) -> None:
        self._connection.ask("setitem", self, key, value)

    def __iter__(self) -> Iterator[Any]:
        items = self._connection.ask("iter", self)
        length = 0
        while True:
            try:
                item = self._connection.ask("next", items)
            except StopIteration:
                break
            length += 1
            yield item
        self._connection.heard(self._number, "counted", length, ends=items == self)

    def __next__(self) -> Any:
        return self._connection.ask("next", self)

    def __reversed__(self) -> Iterator[Any]:
        return self._connection.ask("reversed", self)

    def __len__(self) -> int:
        return self._connection.heard(self._number, "said", self._connection.ask("len", self))

    def __str__(self) -> str:
        return self._connection.ask("str", self)

    def __repr__(self) -> str:
        return self._connection.ask("repr", self)

    def __format__(self, form: str) -> str:
        return self._connection.ask("format", self, form)

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, Handle) and self._connection.ask("isinstance", self, value)

    def __enter__(self) -> Any:
        return self._connection.ask("enter", self)

    def __exit__(self, *error: object) -> None:
        """It is never told of an error, and never hides one: that may be the assert's."""
        self._connection.ask("exit", self)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and self._number == other._number

    def __hash__(self) -> int:
        return hash(self._number)


def replace(old: Any, new: Any) -> None:
    """Let a list, dict, set or bytearray become what the program made of it."""
    if type(old) is not type(new):
        raise ValueError("an argument changed its type")
    if isinstance(old, list | bytearray):
        old[:] = new
    else:
        old.clear()
        old.update(new)
