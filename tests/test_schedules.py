"""Schedules in numbers that a reader can redo."""

import math

import pytest

from k15.config import ConfigError
from k15.schedules import Phase, Phases, Schedule


def shares(schedule, steps: int = 10, warmup: float = 0.2) -> list[float]:
    return [schedule(step, steps, warmup) for step in range(steps)]


def test_a_cosine_rises_and_falls() -> None:
    """Ten steps, a fifth of them to rise: 1/2, 1, then (1 + cos(pi k/8))/2 for k = 0, 1, ..."""
    expected = [0.5, 1.0] + [0.5 * (1 + math.cos(math.pi * k / 8)) for k in range(8)]
    found = shares(Schedule())
    assert found == pytest.approx(expected)
    assert found[6] == pytest.approx(0.5)
    assert Schedule()(10, 10, 0.2) == pytest.approx(0.0)
    assert Schedule()(0, 1, 0.0) == 1.0


def test_it_ends_where_it_is_told_to() -> None:
    """Half-way between 1 and 0.1 in the middle: 0.55."""
    schedule = Schedule(final=0.1)
    assert schedule(6, 10, 0.2) == pytest.approx(0.55)
    assert schedule(10, 10, 0.2) == schedule(12, 10, 0.2) == pytest.approx(0.1)


def test_other_shapes() -> None:
    """wsd: four tenths of ten steps, from the seventh on: 1, 3/4, 1/2, 1/4 of the way left."""
    assert shares(Schedule(shape="linear")) == pytest.approx(
        [0.5, 1.0] + [1 - k / 8 for k in range(8)]
    )
    assert shares(Schedule(shape="wsd", decay=0.4, final=0.2)) == pytest.approx(
        [0.5, 1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4]
    )
    assert shares(Schedule(shape="constant")) == pytest.approx([0.5] + [1.0] * 9)
    assert shares(Schedule(shape="wsd", decay=0.0)) == pytest.approx([0.5] + [1.0] * 9)


def test_the_phases_of_sft_are_the_reports() -> None:
    """2e-5 to 2e-6 in one half, then up to 1e-5 again and down to 1e-6 (k1.5 §2.5)."""
    falling = Schedule(final=0.1)
    phases = Phases(
        {
            "first": Phase(share=2, schedule=falling),
            "second": Phase(share=2, peak=0.5, schedule=falling),
        }
    )
    rates = [2e-5 * phases(step, 2000, 0.01) for step in range(2001)]
    assert rates[9] == pytest.approx(2e-5)  # ten steps of warm-up
    assert rates[999] == pytest.approx(2e-6, rel=1e-3)
    assert rates[1004] == pytest.approx((2e-6 + 1e-5) / 2)  # half-way up from where it was
    assert rates[1009] == max(rates[1000:]) == pytest.approx(1e-5)
    assert rates[2000] == pytest.approx(1e-6)
    assert 2e-5 * phases(3000, 2000, 0.01) == pytest.approx(1e-6)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Schedule(shape="cubic"), r"schedule\.shape='cubic': choose cosine, linear"),
        (lambda: Schedule(final=1.5), r"schedule\.final=1\.5: must be from 0 to 1"),
        (lambda: Schedule(decay=-0.1), r"schedule\.decay=-0\.1"),
        (lambda: Phases({"a": Phase(share=0)}), r"schedule\.phases\.a: share=0 and peak=1\.0 must"),
    ],
)
def test_what_cannot_be_is_refused(make, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make()
