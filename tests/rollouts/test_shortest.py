"""Which samples are chosen and rejected, on lengths that a reader can check (k1.5 §2.4)."""

from k15.rollouts.samples import Sample
from k15.rollouts.shortest import (
    EQUAL,
    LONE,
    NONE_LONGER,
    NONE_RIGHT,
    preferences,
    shortest,
    why_no_pair,
)


def sample(length: int, right: bool = True, finish: str = "stop", first: int = 0) -> Sample:
    tokens = (first, *range(1, length))
    return Sample(right=right, length=length, finish=finish, text="", tokens=tokens)


def lengths(pairs: list[tuple[Sample, Sample]]) -> list[tuple[int, int]]:
    return [(chosen.length, rejected.length) for chosen, rejected in pairs]


def test_the_shortest_correct_one_is_chosen() -> None:
    """14 is not 1.5 times 10, 15 is; of the wrong ones, 9 is not longer, 11 and 20 are."""
    samples = [
        sample(15),
        sample(10),
        sample(14),
        sample(9, right=False),
        sample(11, right=False),
        sample(20, right=False),
    ]
    assert shortest(samples) == samples[1]
    assert lengths(preferences(samples)) == [(10, 20), (10, 15), (10, 11)]
    assert lengths(preferences(samples, most=1)) == [(10, 20)]
    assert lengths(preferences(samples, ratio=1.4)) == [(10, 20), (10, 15), (10, 14), (10, 11)]


def test_the_first_of_equally_short_ones() -> None:
    samples = [sample(9, right=False), sample(10, first=1), sample(10, first=2)]
    assert shortest(samples) == samples[1]


def test_equal_answers_are_one_pair() -> None:
    assert lengths(preferences([sample(10), sample(20), sample(20)])) == [(10, 20)]


def test_what_never_ends_is_rejected_and_never_chosen() -> None:
    """Even if the verifier finds the answer in it: it would not teach to end."""
    samples = [sample(128, finish="length"), sample(128, finish="repetition", first=1)]
    assert shortest(samples) is None
    assert preferences(samples) == [] and why_no_pair(samples) == NONE_RIGHT
    assert lengths(preferences([*samples, sample(30)])) == [(30, 128), (30, 128)]


def test_problems_without_a_pair_say_why() -> None:
    cases = {
        NONE_RIGHT: [sample(10, right=False), sample(20, right=False)],
        LONE: [sample(10)],
        EQUAL: [sample(10), sample(10, right=False)],
        NONE_LONGER: [sample(10), sample(14), sample(9, right=False)],
    }
    for reason, samples in cases.items():
        assert preferences(samples) == []
        assert why_no_pair(samples) == reason
