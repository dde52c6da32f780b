"""Several sources as one: text, code and pictures in one run (k1.5 §2.3.5, §2.5)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from random import Random

from k15.problems.lazy import LazyProblems
from k15.problems.sources import DemonstratedSource, Response
from k15.questions import Split
from k15.types import Problem


class MixedSource:
    """The pools of all sources, one after the other; each id gets its source's name in front.

    Raises ValueError for weights that are not one positive number per source.
    """

    def __init__(
        self,
        sources: Mapping[str, DemonstratedSource],
        *,
        weights: Mapping[str, float] | None = None,
        max_response_tokens: int | None = None,
        train_problems: int | None = None,
        held_out_problems: int | None = None,
    ) -> None:
        """Mix `sources`.

        Args:
            sources: by name.
            weights: how often each one gives a demonstration, relative to the others; None: all
                alike. RL draws from the pools, in which a source has the share of its size.
            max_response_tokens: None: the longest of the sources.
            train_problems: at most so many of each source; None: all it has.
            held_out_problems: likewise.
        """
        if not sources:
            raise ValueError("data.sources is empty: name at least one source")
        self.sources = dict(sources)
        self.weights = checked_weights(weights, self.sources)
        self.words = union([source.words for source in self.sources.values()])
        longest = max(source.max_response_tokens for source in self.sources.values())
        self.max_response_tokens = longest if max_response_tokens is None else max_response_tokens
        given = self.sources.items()
        self.train = pool({name: source.train[:train_problems] for name, source in given})
        self.held_out = pool({name: source.held_out[:held_out_problems] for name, source in given})

    def demonstration(self, index: int, split: Split = "train") -> tuple[Problem, Response]:
        """Demonstration number `index` of the source that is drawn by weight for this index."""
        rng = Random(f"mixture {index}")
        (name,) = rng.choices(list(self.sources), list(self.weights.values()))
        problem, response = self.sources[name].demonstration(index, split)
        return named(name, problem), response


def pool(pools: Mapping[str, Sequence[Problem]]) -> LazyProblems:
    """The problems of all sources, one after the other, made when they are asked for."""
    return LazyProblems(
        partial(lambda name, problems, index: named(name, problems[index]), name, problems, index)
        for name, problems in pools.items()
        for index in range(len(problems))
    )


def named(source: str, problem: Problem) -> Problem:
    """The problem with an id that no other source has: a task asks one question in two forms."""
    return replace(problem, id=f"{source}/{problem.id}")


def union(words: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """All words in the order of their first appearance; none if one source is free text."""
    if not all(words):
        return ()
    return tuple(dict.fromkeys(word for some in words for word in some))


def checked_weights(
    weights: Mapping[str, float] | None, sources: Mapping[str, DemonstratedSource]
) -> dict[str, float]:
    """One positive weight per source, in the order of the sources."""
    given = dict.fromkeys(sources, 1.0) if weights is None else dict(weights)
    if given.keys() != sources.keys():
        raise ValueError(
            f"data.weights is for {', '.join(given)} but the sources are {', '.join(sources)}: "
            "give each one a weight"
        )
    for name, weight in given.items():
        if not 0 < weight < math.inf:
            raise ValueError(
                f"data.weights.{name}={weight}: must be positive; to leave a source out, take it "
                "out of data.sources"
            )
    return {name: given[name] for name in sources}
