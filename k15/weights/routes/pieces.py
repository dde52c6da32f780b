"""Tensors as bytes that follow each other, and what is needed to find them and to trust them."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from k15.weights.routes.protocol import WrongWeights

if TYPE_CHECKING:
    from torch import Tensor


class Piece(NamedTuple):
    """One tensor; as JSON a list of these in this order."""

    name: str
    dtype: str
    """Its name in torch: float32."""
    shape: Sequence[int]
    start: int
    """Of its first byte."""
    size: int
    """In bytes."""
    check: int
    """CRC-32 of the bytes: 3 GB/s, faster than they are copied."""


def bytes_of(tensor: Tensor) -> memoryview:
    """Those of a tensor, in main memory, row by row; not copied if they lie so already."""
    import torch

    plain = tensor.detach().cpu().contiguous().reshape(-1)
    return plain.view(torch.uint8).numpy().data if plain.numel() else memoryview(b"")


def piece_of(name: str, tensor: Tensor, content: memoryview, start: int) -> Piece:
    """What is to be known of a tensor whose bytes begin at `start`."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    return Piece(name, dtype, list(tensor.shape), start, content.nbytes, zlib.crc32(content))


def tensor_of(piece: Piece, content: bytearray | memoryview) -> Tensor:
    """A tensor over its bytes; raises WrongWeights if these are others than were sent."""
    import torch

    view = memoryview(content)
    if view.nbytes != piece.size or zlib.crc32(view) != piece.check:
        raise WrongWeights(
            f"{piece.name}: its {piece.size} bytes are not those that were sent (of "
            f"{view.nbytes} the checksum is {zlib.crc32(view):08x}, not {piece.check:08x})"
        )
    dtype = getattr(torch, piece.dtype)
    if not piece.size:
        return torch.empty(tuple(piece.shape), dtype=dtype)
    return torch.frombuffer(content, dtype=dtype).reshape(tuple(piece.shape))


def pieces_of(offer: Any) -> list[Piece]:
    """From an offer."""
    return [Piece(*piece) for piece in offer["pieces"]]
