"""Sizes that cannot work are refused by name."""

import pytest

from k15.rollouts.plan import RolloutPlan
from k15.sizes import Sizes


def test_bad_sizes_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="segment_tokens=0"):
        RolloutPlan(sizes=Sizes(), segment_tokens=0)
    for temperature in (0, 0.0):
        with pytest.raises(ValueError, match="temperature=0: greedy"):
            RolloutPlan(sizes=Sizes(), temperature=temperature)
    with pytest.raises(ValueError, match=r"oversampling=0\.5"):
        RolloutPlan(sizes=Sizes(), oversampling=0.5)


def test_what_is_collected_ahead_is_old_before_it_can_be_put_off() -> None:
    with pytest.raises(ValueError, match=r"max_staleness=1 with overlap=true: .* take 2 or more"):
        RolloutPlan(sizes=Sizes(), overlap=True, max_staleness=1)
    RolloutPlan(sizes=Sizes(), overlap=True, max_staleness=2)
