"""An engine that answers from a script: for tests and debug configs, no model involved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Literal

from k15.engines.protocol import Completion, Request, RolloutEngine, Sampling

if TYPE_CHECKING:
    from torch import Tensor

Script = (
    Mapping[tuple[int, ...], Sequence[tuple[int, ...]]] | Callable[[Request, int], Sequence[int]]
)


@dataclass(frozen=True, slots=True)
class Response:
    """What is being said to one request."""

    index: int
    tokens: Sequence[int]
    """All that the script has."""
    length: int
    """Of it, what the request allows."""
    start: int
    """The step before its first token."""

    @property
    def end(self) -> int:
        """The step of its last token."""
        return self.start + self.length


class ScriptedEngine(RolloutEngine):
    """Gives the responses it was told to.

    `responses` maps the tokens of a prompt to whole responses. The g-th of several equal requests
    gets the g-th response, starting over behind the last; a request that continues a prompt gets
    the rest of a response that begins as the request ends. Or `responses` is a function of a
    request and its index in the call that returns the new tokens. `logp` is that of every token.
    `slots` responses are generated side by side.

    Example: `ScriptedEngine({(5, 6): [(7, 1), (8, 8, 1)]})`
    """

    beside_training = True

    def __init__(self, responses: Script, *, logp: float = 0.0, slots: int = 1) -> None:
        self.responses, self.logp, self.slots = responses, logp, slots
        self.steps = 0
        """The clock: a step is one token of every response that is being generated."""
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
        """Raises ValueError for a request that is not in the script."""
        self.stopped = False
        waiting, running = self._responses(requests), list[Response]()
        while True:
            if not self.stopped:
                running += self._pulled(waiting, self.slots - len(running))
            if not running:
                return
            if not self.stopped:
                self.steps = min(response.end for response in running)
            now = inf if self.stopped else self.steps
            ended = [response for response in running if response.end <= now]
            running = [response for response in running if response.end > now]
            yield from map(self._completion, ended)

    def _pulled(self, waiting: Iterator[Response | None], room: int) -> Iterator[Response]:
        for response in islice(waiting, room):
            if response is None:
                return
            yield response

    def _responses(self, requests: Iterable[Request | None]) -> Iterator[Response | None]:
        seen: Counter[tuple[int, ...]] = Counter()
        index = 0
        for request in requests:
            if request is None:
                yield None
                continue
            tokens = self._rest(request, index, seen[request.tokens])
            seen[request.tokens] += 1
            yield Response(index, tokens, min(len(tokens), request.max_new_tokens), self.steps)
            index += 1

    def _completion(self, response: Response) -> Completion:
        new = min(response.length, self.steps - response.start)
        all_of_it = response.length == len(response.tokens)
        whole: Literal["stop", "length"] = "stop" if all_of_it else "length"
        return Completion(
            index=response.index,
            tokens=tuple(response.tokens[:new]),
            logps=(self.logp,) * new,
            finish=whole if new == response.length else "cut",
            version=self.version or 0,
        )

    def _rest(self, request: Request, index: int, sample: int) -> Sequence[int]:
        """The new tokens, however many are allowed; `sample` equal requests came before."""
        if callable(self.responses):
            return self.responses(request, index)
        fitting = [
            response[len(request.tokens) - len(prompt) :]
            for prompt, responses in self.responses.items()
            for response in responses
            if begins_with((*prompt, *response), request.tokens, at_least=len(prompt))
        ]
        if not fitting:
            raise ValueError(
                f"request {index}: the script has no prompt and response that begin with "
                f"{request.tokens}; its prompts are {list(self.responses)}"
            )
        return fitting[sample % len(fitting)]


def begins_with(whole: Sequence[int], part: Sequence[int], at_least: int) -> bool:
    """Whether `part` is a true beginning of `whole` and has `at_least` so many tokens."""
    return at_least <= len(part) < len(whole) and tuple(whole[: len(part)]) == tuple(part)
