"""The server's end where the bytes follow the offer: `host_memory`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from k15.weights.routes.pieces import pieces_of, tensor_of
from k15.weights.routes.protocol import Offer, WrongWeights

if TYPE_CHECKING:
    from torch import Tensor


def received(offer: Offer, body: BinaryIO) -> Iterator[tuple[str, Tensor]]:
    """Tensors as they come, each checked; one is in memory at a time.

    Raises WrongWeights if the trainer ends in between.
    """
    for piece in pieces_of(offer):
        content = bytearray(piece.size)
        view, got = memoryview(content), 0
        while got < piece.size:
            read = body.readinto(view[got:])  # type: ignore[attr-defined]
            if not read:
                raise WrongWeights(f"{piece.name}: it ends after {got} of {piece.size} bytes")
            got += read
        yield piece.name, tensor_of(piece, content)
