"""The contract between whoever has new weights and whoever brings them to servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from k15.config.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

Offer = Mapping[str, Any]
"""What a server is told, as JSON: "route", the module of `k15.weights.routes` that receives,
"version", and what that module needs to know.
"""


class Receiver(Protocol):
    """A server, as a route sees it."""

    here: bool
    """Whether it runs on this machine, for the same user."""

    def load(self, offer: Offer, body: Iterable[memoryview] = (), size: int = 0) -> None:
        """Have the server take weights; returns when its engine has them.

        `body` are `size` bytes behind the offer. Raises if the server refuses them or is lost.
        """
        ...


class Route(Protocol):
    """The trainer's end. One thread calls `send` and `finish`, several ones `deliver`, never at the
    same time.
    """

    @classmethod
    def check(cls) -> None:
        """Raise ConfigError where it cannot work at all, such as without a GPU: asked before
        anything is loaded.
        """
        return

    def send(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Take the weights, `k15.weights.full.full_weights` of the model; afterwards the trainer
        changes its own.

        Raises whatever ends it half-way; what was there before is gone then, too.
        """
        ...

    def finish(self, version: int) -> None:
        """All of them have been sent; `deliver` gives these, under this version, from here on."""
        ...

    def deliver(self, server: Receiver) -> None:
        """Bring a server the weights of the last `finish`: one that has older ones, one that has
        just started, or one that has come back, in the middle of an iteration.
        """
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class WrongWeights(ValueError):
    """What came is not what was sent."""


class Fetched:
    """In place of tensors that come: the engine gets them by itself, as the offer says."""

    def __init__(self, offer: Offer) -> None:
        self.offer = offer

    def __iter__(self) -> Iterator[tuple[str, Tensor]]:
        raise ConfigError(
            f"engine.route: weights by {self.offer['backend']} are fetched by engines of vLLM "
            "alone; this one takes those of the route that is usual"
        )


def received(offer: Offer, body: BinaryIO) -> Iterable[tuple[str, Tensor]]:
    """The server's end: the tensors under their names, each checked before it is handed on, or
    `Fetched`.
    """
    name = str(offer["route"])
    if not name.isidentifier():
        raise WrongWeights(f"route {name!r}: not a module of k15.weights.routes")
    return import_module(f"k15.weights.routes.{name}").received(offer, body)
