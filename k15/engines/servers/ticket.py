"""One request of the trainer, wherever it is worked on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from k15.engines.protocol import Completion, Request, Sampling
from k15.engines.repetition import first_repetition


@dataclass(slots=True, eq=False)
class Ticket:
    """A request, and what has been generated for it so far, by one server or several."""

    index: int
    request: Request
    group: Any = None
    """What is equal for requests with the same prompt."""
    tokens: list[int] = field(default_factory=list)
    logps: list[float] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    """Of the weights behind each token."""
    number: int = -1
    """By which the server that works on it knows it,"""
    begun: int = 0
    """and how many tokens there were before it."""
    losses: int = 0
    """Servers that were lost with it since it last got a token."""

    @property
    def here(self) -> int:
        """Tokens that have arrived from this server."""
        return len(self.tokens) - self.begun

    def rest(self) -> Request:
        """What is still to be asked."""
        return replace(
            self.request,
            tokens=self.request.tokens + tuple(self.tokens),
            max_new_tokens=self.request.max_new_tokens - len(self.tokens),
        )

    def take(self, news: Mapping[str, Any], version: int) -> str | None:
        """New tokens from its server; returns its finish if it is finished there.

        Raises ValueError for news that do not fit what is there.
        """
        tokens, logps, finish = news["tokens"], news["logps"], news["finish"]
        end = self.begun + news["start"]
        if len(tokens) != len(logps) or end > len(self.tokens):
            raise ValueError(
                f"request {self.index}: {len(tokens)} tokens and {len(logps)} log-probabilities "
                f"from place {end} on, where {len(self.tokens)} tokens are"
            )
        for kept in (self.tokens, self.logps, self.versions):
            del kept[end:]
        self.tokens += tokens
        self.logps += logps
        self.versions += [version] * len(tokens)
        if finish is not None and self.here != news["length"]:
            raise ValueError(f"request {self.index}: {self.here} tokens, not {news['length']}")
        if len(self.tokens) > self.request.max_new_tokens:
            raise ValueError(f"request {self.index}: more tokens than were asked for")
        if tokens:
            self.losses = 0
        return finish

    def finish(self, sampling: Sampling, stop_ids: Sequence[int]) -> str | None:
        """Whether it is finished by its tokens alone, as nobody may have said so."""
        if self.tokens and self.tokens[-1] in stop_ids:
            return "stop"
        if sampling.repetition and first_repetition(self.tokens, sampling.repetition):
            return "repetition"
        return "length" if len(self.tokens) >= self.request.max_new_tokens else None

    def completion(self, finish: str, sampling: Sampling, version: int) -> Completion:
        """For whoever has asked. A loop may have begun with another server."""
        end = None
        if sampling.repetition and self.tokens:
            end = first_repetition(self.tokens, sampling.repetition)
        versions = self.versions[:end]
        return Completion(
            index=self.index,
            tokens=tuple(self.tokens[:end]),
            logps=tuple(self.logps[:end]),
            finish="repetition" if end else finish,  # type: ignore[arg-type]
            version=versions[-1] if versions else version,
            versions=tuple(versions) if len(set(versions)) > 1 else (),
        )
