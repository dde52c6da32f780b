"""What a source of documents is, and several of them by name: a corpus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from k15.config.errors import ConfigError
from k15.problems.mixture import union
from k15.problems.sources import Response
from k15.questions import Split
from k15.types import Document, Problem

HELD_OUT_ONE_IN = 50
"""Documents of a file or data set that are kept for validation."""


class Demonstration(NamedTuple):
    """A problem with what an assistant is to say."""

    problem: Problem
    response: Response

    @property
    def id(self) -> str:
        """That of the problem."""
        return self.problem.id


@dataclass(frozen=True, slots=True)
class Refusal:
    """A document that is left out."""

    id: str
    reason: str
    """A kind that can be counted, such as `missing picture` or `language`."""
    detail: str = ""
    """For a person."""
    filtered: bool = False
    """A filter took it for unfit; else it is broken."""


Item = Document | Demonstration | Refusal


class DocumentSource(Protocol):
    """Documents in an order of its own, which is the same whenever it is read."""

    words: tuple[str, ...]
    """The tiny tokenizer's whole vocabulary; empty for free text."""

    def read(
        self, first: int = 0, split: Split = "train", turn: int = 0
    ) -> Iterator[tuple[int, Item]]:
        """Documents of a side with their numbers, which rise, from number `first` on.

        In each further `turn` they come in another order. Raises ConfigError if it cannot be read
        on, such as for a file that is gone.
        """
        ...


class Corpus:
    """Sources by name. Raises ConfigError if there is none."""

    def __init__(self, sources: Mapping[str, DocumentSource]) -> None:
        if not sources:
            raise ConfigError("corpus.sources is empty: name at least one source")
        self.sources = dict(sources)
        self.words = union([source.words for source in self.sources.values()])
