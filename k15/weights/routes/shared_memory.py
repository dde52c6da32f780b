"""The server's end where the trainer's memory can be read: `host_memory`."""

from __future__ import annotations

import mmap
import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

from k15.weights.routes.pieces import pieces_of, tensor_of
from k15.weights.routes.protocol import Offer, WrongWeights

if TYPE_CHECKING:
    from torch import Tensor


def received(offer: Offer, body: BinaryIO | None = None) -> Iterator[tuple[str, Tensor]]:
    """Tensors that lie in the trainer's memory and are to be read only, each checked.

    Raises WrongWeights if the memory is not there or is shorter than the offer says.
    """
    pieces = pieces_of(offer)
    end = max((piece.start + piece.size for piece in pieces if piece.size), default=0)
    try:
        with open(str(offer["file"]), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < end:
                raise WrongWeights(f"{offer['file']}: {size} bytes, not {end}")
            flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
            mapped = mmap.mmap(file.fileno(), end, flags, mmap.PROT_READ) if end else b""
    except OSError as error:
        raise WrongWeights(f"the trainer's memory cannot be read: {error}") from error
    whole = memoryview(mapped)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is not writable
        for piece in pieces:
            yield piece.name, tensor_of(piece, whole[piece.start : piece.start + piece.size])
