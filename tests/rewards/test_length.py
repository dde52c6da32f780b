from types import SimpleNamespace

import pytest

from k15.rewards.length import LengthReward, length_rewards


def test_golden_numbers():
    # min 10, max 30: λ = 0.5 - 0/20, 0.5 - 5/20, 0.5 - 10/20, 0.5 - 15/20, 0.5 - 20/20
    #                   = 0.5, 0.25, 0, -0.25, -0.5
    lengths = [10, 15, 20, 25, 30]
    assert length_rewards(lengths, [True] * 5) == [0.5, 0.25, 0.0, -0.25, -0.5]
    assert length_rewards(lengths, [False] * 5) == [0.0, 0.0, 0.0, -0.25, -0.5]
    assert length_rewards([30, 10, 20], [True, False, True]) == [-0.5, 0.0, 0.0]


def test_equal_lengths_give_nothing():
    assert length_rewards([12, 12, 12], [True, False, True]) == [0.0, 0.0, 0.0]
    assert length_rewards([12], [True]) == [0.0]


def test_being_wrong_and_short_never_beats_being_right_and_as_short():
    right = length_rewards([10, 10, 30], [True, False, True])
    assert right == [0.5, 0.0, -0.5]


def test_reads_lengths_and_outcome_of_the_group(make_group):
    group = make_group(["a", "b", "c"], lengths=[10, 30, 20], outcome=(1.0, 1.0, 0.0))
    assert LengthReward().score(group) == [0.5, -0.5, 0.0]


@pytest.mark.parametrize(("epoch", "expected"), [(0, 0.0), (1, 0.0), (2, 0.5), (9, 0.5)])
def test_is_off_during_warmup_then_constant(make_group, epoch, expected):
    reward = LengthReward(warmup_iterations=2)
    reward.setup(SimpleNamespace(current_epoch=epoch), None, "fit")
    group = make_group(["a", "b"], lengths=[10, 30], outcome=(1.0, 1.0))
    assert reward.score(group) == [expected, -expected]
