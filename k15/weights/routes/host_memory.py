"""Weights wait in this machine's memory: servers here read them there, others get them over HTTP.

    send ──► a piece of anonymous memory ──► shared_memory: a server of this machine maps it
             (memfd, /proc/PID/fd/N)     └─► stream: its bytes follow the offer

It is a copy of the whole model, so that a server which starts in the middle of an iteration gets
the weights of that iteration while the trainer works on the next ones (as the report's
checkpoint-engine keeps them, k1.5 §2.6). The memory has no name: it is gone with the last process
that has it open, however that ends, and no file system limits it.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from k15.config.errors import ConfigError
from k15.weights.routes.pieces import Piece, bytes_of, piece_of
from k15.weights.routes.protocol import Receiver, Route

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = 1 << 20
AT_ONCE = 1 << 30  # what one system call writes, at most
ALIGNED = 64  # bytes: vector instructions read whole ones


class HostMemory(Route):
    """`stream` is for servers that could share memory, too."""

    def __init__(self, stream: bool = False) -> None:
        self.stream = stream
        self.file = os.memfd_create("k15-weights")
        self.pieces: list[Piece] = []
        self.version: int | None = None

    def send(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Copy them; raises ConfigError if there is no room."""
        self.version, self.pieces, end = None, [], 0
        for name, tensor in weights:
            content = bytes_of(tensor)
            self.pieces.append(piece_of(name, tensor, content, end))
            self._write(content, end)
            end += -(-content.nbytes // ALIGNED) * ALIGNED

    def finish(self, version: int) -> None:
        """From here on servers can have them."""
        self.version = version

    def deliver(self, server: Receiver) -> None:
        """By the way that fits the server."""
        offer: dict[str, Any] = {"version": self.version, "pieces": self.pieces}
        if server.here and not self.stream:
            place = f"/proc/{os.getpid()}/fd/{self.file}"
            server.load({"route": "shared_memory", "file": place, **offer})
        else:
            size = sum(piece.size for piece in self.pieces)
            server.load({"route": "stream", **offer}, self._chunks(), size)

    def close(self) -> None:
        """The memory is gone when the last server has let go of it."""
        os.close(self.file)

    def _write(self, content: memoryview, start: int) -> None:
        while content:
            try:
                written = os.pwrite(self.file, content[:AT_ONCE], start)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.ENOMEM, errno.EFBIG):
                    raise
                raise ConfigError(
                    f"engine.route: no memory for a copy of the weights behind {start / 1e6:,.0f} "
                    f"MB of them ({os.strerror(error.errno)}); free some, or take a smaller model"
                ) from error
            content, start = content[written:], start + written

    def _chunks(self) -> Iterator[memoryview]:
        if not any(piece.size for piece in self.pieces):
            return
        with mmap.mmap(self.file, 0, prot=mmap.PROT_READ) as mapped, memoryview(mapped) as whole:
            for piece in self.pieces:
                end = piece.start + piece.size
                for start in range(piece.start, end, CHUNK):
                    with whole[start : min(start + CHUNK, end)] as chunk:
                        yield chunk
