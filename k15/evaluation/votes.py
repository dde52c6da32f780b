"""Who votes for what: equal answers to a problem are one, however they are spelled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack

from k15.evaluation.metrics import NO_VOTE
from k15.evaluation.samples import Sample
from k15.graders.base import Grader


def ballots(samples: Sequence[Sample], grader: Grader) -> list[int]:
    """A number for what each sample votes for, the same for equal answers to one problem;
    `NO_VOTE` where no answer was found.
    """
    spellings: dict[str, set[str]] = {}
    for sample in samples:
        if sample.extracted is not None:
            spellings.setdefault(sample.id, set()).add(sample.extracted)
    with ExitStack() as stack:
        stack.callback(grader.close)  # of what comparing may have started
        numbers = {id: clusters(found, grader.same) for id, found in spellings.items()}
    return [vote(sample, numbers) for sample in samples]


def clusters(answers: Iterable[str], same: Callable[[str, str], bool]) -> dict[str, int]:
    """The number of the cluster of each answer: the first whose first answer is the same.

    Answers are taken in alphabetical order, so that no order of samples shows.
    """
    firsts: list[str] = []
    numbers: dict[str, int] = {}
    for answer in sorted(answers):
        known = (number for number, first in enumerate(firsts) if same(answer, first))
        number = numbers[answer] = next(known, len(firsts))
        if number == len(firsts):
            firsts.append(answer)
    return numbers


def vote(sample: Sample, numbers: Mapping[str, Mapping[str, int]]) -> int:
    return NO_VOTE if sample.extracted is None else numbers[sample.id][sample.extracted]
