"""Shares of tags: of what there is too much of, some is left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import floor, isclose
from typing import Literal

from k15.problems.curation.rules import Removal, Step
from k15.problems.curation.tags import Tagger, tagged
from k15.questions import fingerprint_of
from k15.types import Problem

By = Literal["domain", "discipline"]


def balanced(shares: Mapping[str, float], by: By = "discipline", tags: Tagger = tagged) -> Step:
    """The step that leaves as many problems as can be had with each tag's share of them.

    Which problems of a tag stay goes by their question, so that no order of the data changes it.
    Tags that `shares` does not name are left out. Raises ValueError unless the shares add up to 1.
    """
    if not isclose(sum(shares.values()), 1, abs_tol=1e-6) or min(shares.values()) <= 0:
        raise ValueError(
            f"balance: shares {dict(shares)} must be above 0 and add up to 1; leave out tags that "
            "are not wanted"
        )

    def step(problems: Sequence[Problem]) -> Mapping[str, Removal]:
        having = defaultdict[str, list[Problem]](list)
        for problem in problems:
            having[getattr(tags(problem), by)].append(problem)
        total = min(len(having[tag]) / share for tag, share in shares.items())
        removals: dict[str, Removal] = {}
        for tag, some in having.items():
            room = floor(total * shares.get(tag, 0) + 1e-6)
            over = sorted(some, key=fingerprint_of)[room:]
            detail = f"{room} of {len(some)} {tag} stay"
            removals |= {problem.id: Removal("balance", detail) for problem in over}
        return removals

    return step
