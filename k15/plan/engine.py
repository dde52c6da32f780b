"""An engine that has a clock in place of a model: it takes as long as the costs say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Literal

from k15.engines.protocol import Completion, Request, RolloutEngine, Sampling
from k15.plan.costs import Costs, Work, pairs_of

if TYPE_CHECKING:
    from torch import Tensor

Length = Callable[[Request], int]
"""Tokens that are still to come of a response."""


@dataclass(slots=True)
class Row:
    """A response that is being generated."""

    index: int
    prefix: int
    """Tokens of the request."""
    rest: int
    """Tokens that the response still has,"""
    allowed: int
    """and those that the request allows."""
    done: int = 0

    @property
    def left(self) -> int:
        """Steps to its end."""
        return min(self.rest, self.allowed) - self.done


class CostedEngine(RolloutEngine):
    """Responses as long as `length` says, `slots` side by side; `seconds` is the clock.

    A token counts for `unit` tokens. Prefilling and decoding take turns, as in the engine of this
    process. Tokens are zeros, log-probabilities too.
    """

    def __init__(self, length: Length, costs: Costs, work: Work, *, slots: int, unit: int) -> None:
        self.length, self.costs, self.work = length, costs, work
        self.slots, self.unit = slots, unit
        self.seconds = 0.0
        self.steps = 0.0
        """Decode steps,"""
        self.tokens = 0
        """and tokens that came of them, in units."""
        self.stopped = False

    def load_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Completions carry `version` from here on."""
        self.version = version

    def stop(self) -> None:
        """Let the responses that are being generated come back as they stand."""
        self.stopped = True

    def generate(
        self, requests: Iterable[Request | None], sampling: Sampling
    ) -> Iterator[Completion]:
        """From one end of a response to the next one."""
        self.stopped = False
        waiting, rows = self._waiting(requests), list[Row]()
        while True:
            if not self.stopped:
                rows += self._pulled(waiting, self.slots - len(rows))
            if not rows:
                return
            if not self.stopped:
                self._decode(rows, min(row.left for row in rows))
            ended = rows if self.stopped else [row for row in rows if not row.left]
            rows = [] if self.stopped else [row for row in rows if row.left]
            yield from map(self._completion, ended)

    def _waiting(self, requests: Iterable[Request | None]) -> Iterator[Row | None]:
        """Equal requests that follow each other are prefilled once."""
        index = 0
        last: tuple[int, ...] = ()
        for request in requests:
            if request is None:
                yield None
                continue
            if request.tokens != last:
                last = request.tokens
                self.seconds += self._prefill(len(last) * self.unit)
            self.seconds += self.costs.request
            rest = max(1, self.length(request))
            yield Row(index, len(request.tokens), rest, request.max_new_tokens)
            index += 1

    def _prefill(self, tokens: int) -> float:
        """Seconds of a text that is read."""
        operations = self.work.forward(tokens, pairs_of([tokens]))
        return self.costs.prompt + operations / self.costs.prefill_rate

    def _pulled(self, waiting: Iterator[Row | None], room: int) -> Iterator[Row]:
        for row in islice(waiting, room):
            if row is None:
                return
            yield row

    def _decode(self, rows: Sequence[Row], steps: int) -> None:
        """So many tokens more for each row: the sum of an arithmetic series."""
        count = len(rows)
        places = [row.prefix + row.done for row in rows]
        positions = count * max(places) if self.costs.padded else sum(places)
        middle = (positions + count * (steps + 1) / 2) * self.unit
        self.seconds += steps * self.unit * self.costs.decode(count, middle)
        self.steps += steps
        self.tokens += steps * count
        for row in rows:
            row.done += steps

    def _completion(self, row: Row) -> Completion:
        whole: Literal["stop", "length"] = "stop" if row.done == row.rest else "length"
        return Completion(
            index=row.index,
            tokens=(0,) * row.done,
            logps=(0.0,) * row.done,
            finish="cut" if row.left else whole,
            version=self.version or 0,
        )
