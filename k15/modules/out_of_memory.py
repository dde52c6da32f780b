"""Where memory is too small for a micro-batch, it goes through the model in two halves.

Losses are sums over a micro-batch, divided by counts of the whole minibatch: halves have the
gradient of the whole. A backward pass that breaks off has left some of its gradient behind, so the
minibatch begins anew.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch

from k15.config.errors import ConfigError, one_line

logger = logging.getLogger(__name__)

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def is_out_of_memory(error: BaseException) -> bool:
    """A device's memory, or on a CPU that of the machine, or of what a process may have of it."""
    told = "DefaultCPUAllocator" in str(error) or "can't allocate memory" in str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or told


@contextmanager
def told_what_to_lower(*sizes: str) -> Iterator[None]:
    """Where memory runs out within it, raises ConfigError with the sizes to lower."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise ConfigError(f"out of memory ({one_line(error)}); {lower(*sizes)}") from error


def with_halves(
    attempt: Callable[[Iterable[Piece]], Result],
    pieces: list[Piece],
    halves: Callable[[Piece], Sequence[Piece]],
    way_out: str,
) -> Result:
    """What `attempt` returns, which goes through the pieces and forgets at its start what it did
    before.

    A piece that memory is too small for is replaced in `pieces` by its halves. Raises ConfigError
    with the way out for one that is a half itself, or has none.
    """
    small: list[Piece] = []
    while True:
        under_way: list[Piece] = []
        try:
            return attempt(noted(pieces, under_way))
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or not under_way:
                raise
            cause = one_line(error)
        release()  # behind the error, which holds on to all that was there when it was raised
        (piece,) = under_way
        parts = [] if any(piece is half for half in small) else halves(piece)
        check_halves(parts, cause, way_out)
        place = next(index for index, each in enumerate(pieces) if each is piece)
        pieces[place : place + 1] = parts
        small += parts


def noted(pieces: Sequence[Piece], under_way: list[Piece]) -> Iterator[Piece]:
    """The pieces; `under_way` holds the one whose turn it is."""
    for piece in pieces:
        under_way[:] = [piece]
        yield piece


def lower(*sizes: str) -> str:
    """The way out: addresses of settings, with their values where these are known."""
    return f"lower {', '.join(sizes)}, or take model.gradient_checkpointing=true (docs/memory.md)"


def check_halves(parts: Sequence[object], cause: str, way_out: str) -> None:
    """Say that there are two; raises ConfigError if there are not."""
    if len(parts) < 2:
        raise ConfigError(
            f"out of memory ({cause}), and the micro-batch cannot be halved; {way_out}"
        )
    logger.warning("out of memory: once more, with this micro-batch in two halves; %s", way_out)


def release() -> None:
    """Give back what nobody holds any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
