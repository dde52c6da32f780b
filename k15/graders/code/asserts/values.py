"""Values as JSON: what crosses between the processes.

Named by what they are: builtin types plainly, a few of the standard library by their parts.
"""

from __future__ import annotations

import builtins
from collections import namedtuple
from collections.abc import Callable
from functools import lru_cache
from typing import Any

SEQUENCES: dict[str, Any] = {"tuple": tuple, "set": set, "frozenset": frozenset}
VIEWS: dict[str, Any] = {
    "keys": type({}.keys()),
    "items": type({}.items()),
    "values": type({}.values()),
}
STANDARD: dict[str, tuple[str, Callable[[Any], list[Any]]]] = {
    "Counter": ("collections", lambda x: [dict(x)]),
    "OrderedDict": ("collections", lambda x: [dict(x)]),
    "Decimal": ("decimal", lambda x: [str(x)]),
    "Fraction": ("fractions", lambda x: [x.numerator, x.denominator]),
    "deque": ("collections", lambda x: [list(x)]),
    "date": ("datetime", lambda x: [x.year, x.month, x.day]),
    "datetime": ("datetime", lambda x: [*x.timetuple()[:6], x.microsecond, x.tzinfo]),
    "time": ("datetime", lambda x: [x.hour, x.minute, x.second, x.microsecond, x.tzinfo]),
    "timezone": ("datetime", lambda x: [x.utcoffset(None)]),
    "timedelta": ("datetime", lambda x: [x.days, x.seconds, x.microseconds]),
}
"""Value types of the standard library: class, module, how to take one apart."""
TYPES = {"bool", "int", "float", "complex", "str", "bytes", "list", "tuple", "dict", "set"}
PLAIN = (bool, int, float, str, type(None))
LARGEST = 2**4000  # decimal digits take quadratic time, hexadecimal ones do not


def encode(value: Any, handle: Callable[[Any], Any]) -> Any:
    """`value` as JSON can write it; `handle(value)` is the number of what is not plain data."""
    kind = type(value)
    if kind is str or kind is float or kind is bool or value is None:
        return value
    if isinstance(value, bool | int):
        number = int(value)
        return number if -LARGEST < number < LARGEST else {"int": hex(number)}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float(value)
    if kind is tuple:  # often, so it need not look like anything else
        return {"tuple": [encode(item, handle) for item in value]}
    if isinstance(value, list):
        return [encode(item, handle) for item in list.__iter__(value)]
    module, parts = STANDARD.get(kind.__name__, ("", None))
    if parts and kind.__module__ == module:
        return {"new": [kind.__name__, encode(parts(value), handle)]}
    if isinstance(value, dict):
        pairs = dict.items(value)
        return {"dict": [[encode(key, handle), encode(item, handle)] for key, item in pairs]}
    if kind.__bases__ == (tuple,) and "_fields" in vars(kind):
        items = [encode(item, handle) for item in tuple.__iter__(value)]
        return {"named": [kind.__name__, list(vars(kind)["_fields"]), items]}
    for name, base in (*SEQUENCES.items(), *VIEWS.items()):
        if issubclass(kind, base):
            return {name: [encode(item, handle) for item in base.__iter__(value)]}
    if isinstance(value, complex):
        return {"complex": [value.real, value.imag]}
    if isinstance(value, bytes | bytearray):
        return {kind.__name__: value.hex()} if kind in (bytes, bytearray) else handle(value)
    if kind is range:
        return {"range": [encode(x, handle) for x in (value.start, value.stop, value.step)]}
    if kind is type and value.__name__ in TYPES and getattr(builtins, value.__name__) is value:
        return {"type": value.__name__}
    if kind.__module__ == "numpy" and hasattr(value, "tolist"):
        return encode(value.tolist(), handle)
    return handle(value)


def decode(data: Any, handle: Callable[[Any], Any] | None = None) -> Any:
    """The value that `encode` wrote; ValueError, TypeError or LookupError if it did not.

    Makes nothing but values of the types named here, whoever wrote `data`.
    """
    if isinstance(data, PLAIN):
        return data
    if isinstance(data, list):
        return [decode(item, handle) for item in data]
    [(name, content)] = data.items()
    if name == "handle" and handle is not None:
        return handle(content)
    if name == "dict":
        return {decode(key, handle): decode(item, handle) for key, item in content}
    if name in SEQUENCES:
        return SEQUENCES[name](decode(item, handle) for item in content)
    if name in VIEWS:
        return _view(name, [decode(item, handle) for item in content])
    if name == "named":
        kind, names, items = content
        return _named_tuple(kind, tuple(names))._make(decode(items, handle))
    if name == "int":
        return int(content, 16)
    if name == "complex":
        return complex(*content)
    if name == "range":
        return range(*decode(content, handle))
    if name in ("bytes", "bytearray"):
        return getattr(builtins, name).fromhex(content)
    if name == "type" and content in TYPES:
        return getattr(builtins, content)
    if name == "new":
        kind, parts = content
        module, _ = STANDARD[kind]
        return getattr(__import__(module), kind)(*decode(parts, handle))
    raise ValueError(f"unknown value {name!r}")


def _view(name: str, items: list[Any]) -> Any:
    if name == "keys":
        return dict.fromkeys(items).keys()
    return dict(items).items() if name == "items" else dict(enumerate(items)).values()


@lru_cache
def _named_tuple(name: str, fields: tuple[str, ...]) -> Any:
    """A class of that name; `namedtuple` refuses what is no identifier."""
    return namedtuple(name, fields)
