"""An engine that answers from a script: for tests and debug configs, no model involved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from k15.engines.protocol import Completion, Request, RolloutEngine, Sampling

if TYPE_CHECKING:
    from torch import Tensor

Script = (
    Mapping[tuple[int, ...], Sequence[tuple[int, ...]]] | Callable[[Request, int], Sequence[int]]
)


class ScriptedEngine(RolloutEngine):
    """Gives the responses it was told to.

    `responses` maps the tokens of a prompt to whole responses. The g-th of several equal requests
    gets the g-th response, starting over behind the last; a request that continues a prompt gets
    the rest of a response that begins as the request ends. Or `responses` is a function of a
    request and its index in the call that returns the new tokens. `logp` is that of every token.

    Example: `ScriptedEngine({(5, 6): [(7, 1), (8, 8, 1)]})`
    """

    def __init__(self, responses: Script, *, logp: float = 0.0) -> None:
        self.responses, self.logp = responses, logp

    def load_weights(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Completions carry `version` from here on."""
        self.version = version

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Completion]:
        """Raises ValueError for a request that is not in the script."""
        seen: Counter[tuple[int, ...]] = Counter()
        for index, request in enumerate(requests):
            rest = self._rest(request, index, seen[request.tokens])
            seen[request.tokens] += 1
            tokens = tuple(rest[: request.max_new_tokens])
            yield Completion(
                index=index,
                tokens=tokens,
                logps=(self.logp,) * len(tokens),
                finish="stop" if len(rest) <= request.max_new_tokens else "length",
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
