"""An engine that is made when somebody asks it for something: a stage may never sample."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from k15.config.errors import ConfigError
from k15.engines.protocol import Completion, Request, RolloutEngine, Sampling, Scored

if TYPE_CHECKING:
    from torch import Tensor

    from k15.types import Example


class OnDemandEngine(RolloutEngine):
    """The engine that `make` returns, made once, at its first call or weights."""

    def __init__(self, make: Callable[[], RolloutEngine | None]) -> None:
        self.make = make
        self.made: RolloutEngine | None = None
        self.seconds: dict[str, float] = {}
        """What the last wake, load and sleep took."""

    @property
    def engine(self) -> RolloutEngine:
        """The one that does the work; raises ConfigError if the configuration has none."""
        if self.made is None:
            with torch.inference_mode(False):  # validation may be the first to ask
                self.made = self.make()
        if self.made is None:
            raise ConfigError(
                "engine=null: this run samples from the policy; choose an engine, such as "
                "engine=transformers"
            )
        return self.made

    @property
    def version(self) -> int | None:  # type: ignore[override]  # the engine's own, which it sets
        """That of the engine, None where there is none yet."""
        return self.made.version if self.made else None

    @property
    def beside_training(self) -> bool:  # type: ignore[override]  # as above
        """That of the engine."""
        return self.engine.beside_training

    def generate(
        self, requests: Iterable[Request | None], sampling: Sampling
    ) -> Iterator[Completion]:
        """By the engine."""
        return self.engine.generate(requests, sampling)

    def score(self, examples: Sequence[Example]) -> Iterator[Scored]:
        """By the engine."""
        return self.engine.score(examples)

    def stop(self) -> None:
        """The engine's newest call."""
        self.engine.stop()

    def load_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Into the engine."""
        with self._timed("load"):
            self.engine.load_weights(weights, version)

    def sleep(self) -> None:
        """If there is an engine."""
        if self.made:
            with self._timed("sleep"):
                self.made.sleep()

    def wake(self) -> None:
        """The engine, which is made awake."""
        with self._timed("wake"):
            self.engine.wake()

    def close(self) -> None:
        """If there is an engine; it is not made again."""
        if self.made:
            self.made.close()

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[what] = time.perf_counter() - start
