"""Messages between the sandbox and the jail: a length and a name=value mapping, as JSON.

Bytes are carried beside the JSON, in the order of their lengths in the field "sizes".
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

_HEAD = struct.Struct(">I")


def send(channel: socket.socket, fields: Mapping[str, Any], contents: Sequence[bytes] = ()) -> None:
    text = json.dumps({**fields, "sizes": [len(content) for content in contents]}).encode()
    channel.sendall(_HEAD.pack(len(text)) + text + b"".join(contents))


def receive(channel: socket.socket) -> tuple[dict[str, Any], list[bytes]]:
    """The next message's fields and contents; raises EOFError where the channel ends before."""
    (length,) = _HEAD.unpack(_exactly(channel, _HEAD.size))
    fields = json.loads(_exactly(channel, length))
    return fields, [_exactly(channel, size) for size in fields.pop("sizes")]


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = channel.recv_into(view)
        if not count:
            raise EOFError("the other side closed the channel")
        view = view[count:]
    return bytes(data)
