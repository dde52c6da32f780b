"""An engine whose tokens depend on the request alone, at a pace that can be set; no model."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from k15.engines.protocol import (
    Completion,
    Request,
    RolloutEngine,
    Sampling,
    Scored,
    seed_of,
)
from k15.types import Example

LAST = 1
"""Ends a response, as it does for the built-in model."""
REFUSED, BREAKS = 17, 19


def token_of(request: Request, place: int) -> int:
    """The token that follows `place` others, prompt included: the same wherever it is asked for."""
    drawn = seed_of(request.seed, place)
    return LAST if drawn % 60 == 0 else 6 + drawn % 9


def whole(request: Request) -> tuple[int, ...]:
    """The response that nobody interrupts."""
    tokens, start = [], len(request.tokens)
    while len(tokens) < request.max_new_tokens and LAST not in tokens:
        tokens.append(token_of(request, start + len(tokens)))
    return tuple(tokens)


def rated(index: int, example: Example) -> Scored:
    """What is said of an example, wherever it is asked."""
    start = len(example.prompt_tokens) + sum(image.width for image in example.images)
    logps = tuple(-0.1 * token / (start + n) for n, token in enumerate(example.response_tokens))
    return Scored(index=index, logps=logps, greedy=example.response_tokens[0] % 2 == 0)


def checksum(weights: Iterable) -> int:
    """Of names and values."""
    found = 0
    for name, tensor in weights:
        found = zlib.crc32(repr((name, tensor.tolist())).encode(), found)
    return found


class Steady(RolloutEngine):
    """A token per step of `seconds`. It reads weights if there is a `folder` for their checksums;
    it refuses `refused` versions, breaks at requests that ask for `breaks` tokens, and does not end
    its step at those that ask for `hangs`. It rates an example in `seconds`, refuses one that ends
    in `REFUSED`, and breaks at one that ends in `BREAKS`.
    """

    def __init__(
        self,
        *,
        slots: int = 4,
        seconds: float = 0.0,
        folder: str | None = None,
        refused: Iterable[int] = (),
        breaks: int | None = None,
        hangs: int | None = None,
    ) -> None:
        self.slots, self.seconds, self.refused = slots, seconds, list(refused)
        self.folder = Path(folder) if folder else None
        self.breaks, self.hangs = breaks, hangs
        self.stopped = False
        self.running: list[tuple[int, Request, list[int]]] = []

    def load_weights(self, weights: Iterable, version: int) -> None:
        if version in self.refused:
            raise ValueError(f"version {version} does not fit")
        if self.folder is not None:
            found = checksum(weights)
            (self.folder / f"{version}-{time.monotonic_ns()}").write_text(str(found))
        self.version = version

    def score(self, examples: Sequence[Example]) -> Iterator[Scored]:
        for index, example in reversed([*enumerate(examples)]):
            time.sleep(self.seconds)
            if example.response_tokens[-1] == REFUSED:
                raise ValueError(f"example {index} is refused")
            if example.response_tokens[-1] == BREAKS:
                raise RuntimeError("the engine broke")
            yield rated(index, example)

    def stop(self) -> None:
        self.stopped = True

    def progress(self) -> list[Completion]:
        return [self._completion(index, tokens, "cut") for index, _, tokens in self.running]

    def generate(
        self, requests: Iterable[Request | None], sampling: Sampling
    ) -> Iterator[Completion]:
        self.stopped, self.running = False, []
        waiting, index = iter(requests), 0
        while True:
            for request in islice(waiting, 0 if self.stopped else self.slots - len(self.running)):
                if request is None:
                    break
                self.running.append((index, request, []))
                index += 1
            if self.stopped or not self.running:
                break
            time.sleep(self.seconds)
            for running in [*self.running]:
                yield from self._step(*running)
        left, self.running = self.running, []
        for index, _, tokens in left:
            yield self._completion(index, tokens, "cut")

    def _step(self, index: int, request: Request, tokens: list[int]) -> Iterator[Completion]:
        if request.max_new_tokens == self.breaks:
            raise RuntimeError("the engine broke")
        while request.max_new_tokens == self.hangs:
            time.sleep(0.1)
        tokens.append(token_of(request, len(request.tokens) + len(tokens)))
        finish = "stop" if tokens[-1] == LAST else "length"
        if finish == "stop" or len(tokens) == request.max_new_tokens:
            self.running.remove((index, request, tokens))
            yield self._completion(index, tokens, finish)

    def _completion(self, index: int, tokens: list[int], finish: str) -> Completion:
        tokens = [*tokens]
        return Completion(
            index=index,
            tokens=tuple(tokens),
            logps=tuple(-0.25 * token for token in tokens),
            finish=finish,
            version=self.version or 0,
        )
