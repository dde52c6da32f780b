import itertools
import math

import pytest
import torch

from k15.intervals import (
    bootstrap,
    estimate,
    mcnemar,
    paired_p_value,
    sign_flip,
    standard_error,
)


def test_standard_error_is_that_of_the_mean_over_problems():
    """Values 1, 1/2, 0: mean 1/2, standard deviation 1/2, over the root of 3."""
    found = estimate(torch.tensor([1.0, 0.5, 0.0]))
    assert float(found["value"]) == 0.5
    assert float(found["standard_error"]) == pytest.approx(0.5 / math.sqrt(3))


def test_bootstrap_interval_of_three_problems_is_that_of_all_their_resamples():
    """Of the 27 means of three draws from {0, 0, 1}, 8/27 are 0 and 1/27 = 3.7 % are 1."""
    means = sorted(sum(draw) / 3 for draw in itertools.product([0, 0, 1], repeat=3))
    low, high = bootstrap(torch.tensor([0.0, 0.0, 1.0], dtype=torch.double))
    assert (float(low), float(high)) == (means[0], means[-1]) == (0.0, 1.0)
    low, high = bootstrap(torch.tensor([0.0, 0.0, 1.0], dtype=torch.double), level=0.9)
    assert (float(low), float(high)) == (0.0, pytest.approx(2 / 3))  # 3.7 % < 5 % are above 2/3


def test_copies_of_a_problem_make_nothing_surer():
    """Values 1, 1/2, 0, each asked twice: still 1/2 over the root of 3; as six draws less."""
    values, asked = torch.tensor([1.0, 0.5, 0.0] * 2), torch.tensor([4, 5, 6] * 2)
    once, twice = estimate(values[:3]), estimate(values, asked)
    assert {name: float(value) for name, value in twice.items()} == pytest.approx(
        {name: float(value) for name, value in once.items()}
    )
    assert float(standard_error(values)) < 0.5 / math.sqrt(5)


def test_the_error_goes_by_questions():
    """1, 1 of one question and 0 of another: mean 2/3, residuals 2/3 and -2/3, over 3 problems."""
    error = standard_error(torch.tensor([1.0, 1.0, 0.0]), torch.tensor([7, 7, 9]))
    assert float(error) == pytest.approx(math.sqrt(2 * 2 * (2 / 3) ** 2) / 3)
    assert math.isnan(standard_error(torch.tensor([1.0, 0.0]), torch.tensor([3, 3])))


def test_resampled_questions_bring_all_their_problems():
    """1, 1 of one question and 0 of another: a quarter of the draws has only the one, a quarter
    only the other; so the interval goes from 0 to 1.
    """
    low, high = bootstrap(torch.tensor([2.0, 0.0]), torch.tensor([2.0, 1.0]))
    assert (float(low), float(high)) == (0, 1)
    low, high = bootstrap(torch.tensor([2.0, 0.0]), torch.tensor([2.0, 1.0]), level=0.4)
    assert (float(low), float(high)) == (pytest.approx(2 / 3), pytest.approx(2 / 3))


def test_bootstrap_says_the_same_each_time_and_draws_in_pieces(monkeypatch):
    values = torch.rand(50, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    whole = bootstrap(values)
    monkeypatch.setattr("k15.intervals.CELLS", 1000)
    assert bootstrap(values) == whole


def test_one_problem_has_no_interval_and_none_no_value():
    one, none = estimate(torch.ones(1)), estimate(torch.ones(0))
    assert float(one["value"]) == 1 and math.isnan(one["low"]) and math.isnan(one["standard_error"])
    assert math.isnan(none["value"])


def test_mcnemar_counts_the_tails_of_a_fair_coin():
    """6 problems changed, 5 for the better: P(0 or 1 of 6) = 7/64, both tails 14/64."""
    assert mcnemar(5, 1) == mcnemar(1, 5) == 14 / 64
    assert mcnemar(3, 3) == 1 and mcnemar(0, 0) == 1


def test_p_value_is_mcnemars_where_all_differences_have_one_size():
    """Problems without a difference say nothing."""
    differences = torch.tensor([0.5] * 5 + [-0.5] + [0.0] * 40)
    assert paired_p_value(differences) == 14 / 64
    assert paired_p_value(torch.zeros(3)) == 1


def test_sign_flips_count_what_all_sign_choices_count(monkeypatch):
    """Ten differences of one sign and many sizes: 2 of 1024 choices are as extreme.

    Their share among 100,000 has a standard error of 1.4e-4; one tail alone would be 1/1024 off.
    """
    monkeypatch.setattr("k15.intervals.FLIPS", 100_000)
    sizes = torch.arange(1.0, 11.0, dtype=torch.double)
    assert paired_p_value(sizes) == pytest.approx(2 / 1024, abs=5e-4)
    assert sign_flip(sizes) == sign_flip(-sizes)
