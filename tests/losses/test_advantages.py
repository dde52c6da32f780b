import math
from functools import partial

import pytest
import torch

from k15.losses.advantages import (
    carries_signal,
    check_advantage,
    leave_one_out,
    log_partition_baseline,
    mean_baseline,
    no_baseline,
    positive_only,
    standardized,
)
from tests.closeness import close

# two problems, four samples each: one right of four, all equal
REWARD = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.3, 0.3, 0.3, 0.3]])
NEEDS_OTHERS = (mean_baseline, leave_one_out, standardized, log_partition_baseline)


def test_mean_baseline():
    close(mean_baseline(REWARD)[0], [0.75, -0.25, -0.25, -0.25])


def test_leave_one_out():
    # right: 1 - 0; wrong: 0 - (1 + 0 + 0)/3
    close(leave_one_out(REWARD)[0], [1.0, -1 / 3, -1 / 3, -1 / 3])


def test_log_partition_baseline():
    # 1/4 (exp(1/0.5) + 3) = (7.3890561 + 3)/4 = 2.5972640; 0.5 ln 2.5972640 = 0.4772293
    baseline = 0.4772293
    close(log_partition_baseline(REWARD, tau=0.5)[0], [1 - baseline, *[-baseline] * 3])


def test_log_partition_baseline_between_mean_and_maximum():
    """For large tau it is r - mean r (k1.5: "in practice the mean reward"), for small r - max r."""
    reward = REWARD.double()  # tau = 1e4 magnifies the rounding of the logarithm
    # what is left is the variance over 2 tau: (0.75/4) / 2e4 = 9.4e-6
    close(log_partition_baseline(reward, tau=1e4), mean_baseline(reward), 2e-5)
    # tau log((e^(1/tau) + 3)/4) = 1 - tau log 4 for a small tau
    small = [0.001 * math.log(4)] + [0.001 * math.log(4) - 1] * 3
    close(log_partition_baseline(REWARD, tau=1e-3)[0], small)


def test_standardized_with_sample_deviation():
    # squared deviations 0.5625 + 3 * 0.0625 = 0.75; sample std sqrt(0.75 / 3) = 0.5
    close(standardized(REWARD, eps=0.0)[0], [1.5, -0.5, -0.5, -0.5])
    # eps is added to the deviation: 0.75 / (0.5 + 0.5)
    close(standardized(REWARD, eps=0.5)[0], [0.75, -0.25, -0.25, -0.25])


@pytest.mark.parametrize("advantage", NEEDS_OTHERS)
def test_equal_rewards_give_no_signal(advantage):
    kwargs = {"tau": 0.5} if advantage is log_partition_baseline else {}
    close(advantage(REWARD, **kwargs)[1], [0.0] * 4, of=0.3)


def test_rounding_of_equal_rewards_is_not_magnified():
    reward = torch.full((1, 8), 0.7)  # their mean in float32 is 6e-8 off
    close(standardized(reward, eps=1e-6), [[0.0] * 8], of=1.0)


def test_no_baseline_and_positive_only():
    close(no_baseline(REWARD), REWARD.tolist())
    close(positive_only(REWARD), [[1.0, 0.0, 0.0, 0.0], [1.0] * 4])
    close(positive_only(REWARD, threshold=0.3)[1], [0.0] * 4)  # above, not at, the threshold


@pytest.mark.parametrize("advantage", NEEDS_OTHERS)
def test_a_lone_response_has_nothing_to_compare_with(advantage):
    advantage = partial(advantage, tau=0.5) if advantage is log_partition_baseline else advantage
    close(advantage(REWARD[:, :1]), [[0.0], [0.0]])
    check_advantage(advantage, samples_per_problem=2)
    with pytest.raises(ValueError, match=r"samples_per_problem=1: .*no_baseline"):
        check_advantage(advantage, samples_per_problem=1)


@pytest.mark.parametrize("advantage", [no_baseline, partial(positive_only, threshold=2.0)])
def test_one_sample_is_enough_without_a_baseline(advantage):
    close(no_baseline(REWARD[:, :1]), [[1.0], [0.3]])
    close(positive_only(REWARD[:, :1]), [[1.0], [1.0]])
    check_advantage(advantage, samples_per_problem=1)


@pytest.mark.parametrize("reward", [[0.7] * 8, [0.1 + 0.2] * 3, [-1e6 / 3] * 7, [0.0] * 4])
def test_the_rounding_of_equal_rewards_is_no_signal(reward):
    """The mean of eight times 0.7 is not 0.7 in floating point."""
    reward_PG = torch.tensor([reward], dtype=torch.float64)
    for advantage in (*NEEDS_OTHERS[:3], partial(log_partition_baseline, tau=0.3)):
        assert not carries_signal(advantage(reward_PG), reward)


def test_a_small_difference_is_a_signal():
    reward = [1.0, 1.0, 1.00001]
    reward_PG = torch.tensor([reward], dtype=torch.float64)
    assert carries_signal(mean_baseline(reward_PG), reward)
    assert carries_signal(no_baseline(reward_PG[:, :2]), reward[:2])
    assert not carries_signal(positive_only(reward_PG, threshold=2.0), reward)


def test_tau_of_the_partition_function_is_positive():
    with pytest.raises(ValueError, match=r"tau=0\.0"):
        log_partition_baseline(REWARD, tau=0.0)
