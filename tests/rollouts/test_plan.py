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
