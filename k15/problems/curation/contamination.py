"""Training problems that an evaluation asks, too: never train on what is reported.

A hit is the same question (`k15.questions`), or one that shares most of its runs of words: the
n-grams that both have, as a share of those of the shorter question. Runs that many evaluation
questions have, such as "Express your answer as a common fraction", say nothing and do not count.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from k15.problems.curation.rules import Removal
from k15.problems.curation.words import shingles, words_of
from k15.questions import fingerprint_of
from k15.types import Problem

SIZE = 8  # words of an n-gram
COMMON = 3  # questions of one evaluation from which on a run of words is nobody's own
FEW = 4  # n-grams of its own that a question needs; shorter ones are compared as a whole


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of an evaluation."""

    evaluation: str
    id: str
    words: tuple[str, ...]
    own: frozenset[str]
    """Its n-grams that are no common phrase."""


class Contamination:
    """The rule "what the evaluations ask is not trained on"; pure once it is made."""

    def __init__(
        self, evaluations: Mapping[str, Iterable[Problem]], *, threshold: float = 0.6
    ) -> None:
        """`threshold` is the share of the shorter question's n-grams from which on it is a hit."""
        self.threshold = threshold
        self.exact: dict[str, str] = {}
        self.whole: dict[tuple[str, ...], str] = {}
        self.holders: dict[str, list[Asked]] = defaultdict(list)
        for name, problems in evaluations.items():
            self._add(name, list(problems))

    def __call__(self, problem: Problem) -> Removal | None:
        """Where the problem is asked, too."""
        if place := self.exact.get(fingerprint_of(problem)):
            return Removal("contaminated", f"{place}: the same question")
        if problem.images:
            return None  # the same words may stand under any picture
        found = words_of(problem)
        if place := self.whole.get(found):
            return Removal("contaminated", f"{place}: the same words")
        share, asked = self._nearest(found)
        if asked is None or share < self.threshold:
            return None
        return Removal(
            "contaminated", f"{asked.evaluation}/{asked.id}: {share:.0%} of the {SIZE}-grams"
        )

    def _nearest(self, found: tuple[str, ...]) -> tuple[float, Asked | None]:
        """The evaluation's question that shares the largest part of the shorter one's n-grams."""
        grams = shingles(found, SIZE)
        shared: Counter[int] = Counter()
        asked_by: dict[int, Asked] = {}
        for gram in grams:
            for asked in self.holders.get(gram, ()):
                shared[id(asked)] += 1
                asked_by[id(asked)] = asked
        shares = {
            key: count / max(FEW, min(len(grams), len(asked_by[key].own)))
            for key, count in shared.items()
        }
        best = max(shares, key=lambda key: shares[key], default=None)
        return (0.0, None) if best is None else (shares[best], asked_by[best])

    def _add(self, name: str, problems: Sequence[Problem]) -> None:
        asked = [(problem, words_of(problem)) for problem in problems]
        grams = [shingles(found, SIZE) for _, found in asked]
        counts = Counter(gram for some in grams for gram in some)
        for (problem, found), some in zip(asked, grams, strict=True):
            place = f"{name}/{problem.id}"
            self.exact.setdefault(fingerprint_of(problem), place)
            if problem.images:
                continue
            self.whole.setdefault(found, place)
            own = frozenset(gram for gram in some if counts[gram] < COMMON)
            entry = Asked(name, problem.id, found, own)
            for gram in own:
                self.holders[gram].append(entry)


def asked(problems: Iterable[Problem]) -> dict[str, str]:
    """Ids of the problems in text, by what they ask."""
    return {fingerprint_of(problem): problem.id for problem in problems if not problem.images}
