"""Which of a problem's samples teach brevity (k1.5 §2.4)."""

from __future__ import annotations

from collections.abc import Sequence

from k15.rollouts.samples import Sample

RATIO = 1.5
"""Of a correct sample's length over the chosen one's, from which on it is rejected (§2.4)."""
NONE_RIGHT, LONE, EQUAL = "no correct sample", "a single sample", "all equally long"
NONE_LONGER = "none wrong and longer, or correct and much longer"


def shortest(samples: Sequence[Sample]) -> Sample | None:
    """The shortest correct sample, the first of several; None if there is none."""
    right = [sample for sample in samples if is_right(sample)]
    return min(right, key=lambda sample: sample.length, default=None)


def is_right(sample: Sample) -> bool:
    """Whether it is correct. One that did not end by itself is not, whatever the verifier says: it
    would not teach to end.
    """
    return sample.right and sample.finish == "stop"


def preferences(
    samples: Sequence[Sample], ratio: float = RATIO, most: int | None = None
) -> list[tuple[Sample, Sample]]:
    """Pairs of the shortest correct sample and a rejected one: wrong and longer, or correct and at
    least `ratio` times as long; of equal ones the first. The longest `most` of them; None: all.
    """
    chosen = shortest(samples)
    if chosen is None:
        return []
    rejected = {
        tuple(sample.tokens): sample
        for sample in reversed(samples)
        if sample.length > chosen.length
        and (not sample.right or sample.length >= ratio * chosen.length)
    }
    longest = sorted(rejected.values(), key=lambda sample: -sample.length)[:most]
    return [(chosen, sample) for sample in longest]


def why_no_pair(samples: Sequence[Sample]) -> str:
    """The reason for which `preferences` finds none."""
    if shortest(samples) is None:
        return NONE_RIGHT
    if len(samples) == 1:
        return LONE
    return EQUAL if len({sample.length for sample in samples}) == 1 else NONE_LONGER
