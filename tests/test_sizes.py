"""Sizes that cannot work are refused with both numbers."""

import pytest

from k15.sizes import Sizes


def test_minibatches_hold_whole_groups() -> None:
    with pytest.raises(
        ValueError, match=r"problems_per_iteration=64 .* sizes.minibatches_per_iteration=5"
    ):
        Sizes(problems_per_iteration=64, minibatches_per_iteration=5)
    assert Sizes(problems_per_iteration=60, minibatches_per_iteration=5)


@pytest.mark.parametrize("field", list(Sizes.__dataclass_fields__))
def test_every_size_is_at_least_one(field: str) -> None:
    with pytest.raises(ValueError, match=f"sizes.{field}=0"):
        Sizes(**{field: 0})
