"""Questions that are asked twice: the first one stays.

Exact duplicates have the same fingerprint (`k15.questions`). Near duplicates are found by MinHash
and locality-sensitive hashing (Broder 1997), by the library rensa, which unlike datasketch needs no
scipy; then they are compared word by word, so that nothing goes by chance. Problems with other
numbers or another answer are no duplicates, however alike they read: most word problems of a
textbook differ in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from k15.config.errors import ConfigError
from k15.problems.curation.rules import Removal
from k15.problems.curation.words import numbers, shingles, words_of
from k15.questions import fingerprint_of
from k15.types import Problem

Same = Callable[[str, str], bool]
"""Whether two answers are one, such as `Grader.same`."""

SIZE = 3  # words of a shingle
PERMUTATIONS, BANDS = 128, 32  # of 4 rows: a pair at 0.75 is missed once in 200,000
SEED = 0


def exact_duplicates(problems: Sequence[Problem]) -> dict[str, Removal]:
    """The problems that ask, word by word and pixel by pixel, what one before them asks."""
    first: dict[str, str] = {}
    removals = {}
    for problem in problems:
        earlier = first.setdefault(fingerprint_of(problem), problem.id)
        if earlier != problem.id:
            removals[problem.id] = Removal("exact duplicate", f"of {earlier}")
    return removals


def near_duplicates(
    problems: Sequence[Problem], *, threshold: float = 0.75, same: Same = str.__eq__
) -> dict[str, Removal]:
    """The problems in text that share `threshold` of their word triples (Jaccard), all numbers and
    the answer with one before them. Problems with pictures are not compared.
    """
    try:
        from rensa import RMinHash, RMinHashLSH
    except ImportError as error:
        raise ConfigError(
            "near_duplicates: MinHash is not installed: pip install 'k15[curation]', or leave the "
            "step out with near_duplicates=null"
        ) from error
    index = RMinHashLSH(threshold, PERMUTATIONS, BANDS)
    seen: list[tuple[Problem, frozenset[str], tuple[str, ...]]] = []
    removals = {}
    for problem in (one for one in problems if not one.images):
        found = words_of(problem)
        asked, figures = shingles(found, SIZE), numbers(found)
        sketch = RMinHash(PERMUTATIONS, SEED)
        sketch.update(sorted(asked))
        for place in sorted(index.query(sketch)):
            earlier, other, their_figures = seen[place]
            alike = jaccard(asked, other)
            if (
                alike >= threshold
                and figures == their_figures
                and one_answer(problem, earlier, same)
            ):
                detail = f"{alike:.2f} of {earlier.id}"
                removals[problem.id] = Removal("near duplicate", detail)
                break
        else:
            index.insert(len(seen), sketch)
            seen.append((problem, asked, figures))
    return removals


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """The share of all that both have; 0 where there is nothing."""
    either = len(one | other)
    return len(one & other) / either if either else 0.0


def one_answer(one: Problem, other: Problem, same: Same) -> bool:
    """Whether the reference answers are one; where there are none, as in code, the question is
    all there is.
    """
    if one.answer is None or other.answer is None:
        return one.answer == other.answer
    return one.answer == other.answer or same(one.answer, other.answer)
