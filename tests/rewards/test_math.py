"""The thin callback over the math verifier."""

import pytest

from k15.rewards.math import MathReward

TOWER = "9^{9^{9^{9}}}"


def test_reference_answers_are_checked_by_id(make_group):
    reward = MathReward()
    for answer in (
        "4",
        "10,000",
        r"\frac{1}{2}",
        r"\text{Evelyn}",
        "[0,1)",
        r"\sin^2 t",
        "9^{9^{9^{9}}}",
    ):
        reward.check(make_group(["x"], answer=answer).problem)
    with pytest.raises(ValueError, match="'sum-1' has no answer"):
        reward.check(make_group(["x"], answer=None).problem)
    for answer, message in (
        (" ", "the answer is empty"),
        (r"\frac{1}{", r"cannot parse the answer '\\\\frac"),
        ("x" * 2000, "2000 characters, at most 1000"),
    ):
        with pytest.raises(ValueError, match=message):
            reward.check(make_group(["x"], answer=answer).problem)


def test_the_reward_is_thin(make_group):
    reward = MathReward(workers=1)
    assert reward.outcome
    group = make_group([r"\boxed{4}", r"\boxed{2+2}", r"\boxed{5}", "4"])
    assert reward.score(group) == [1.0, 1.0, 0.0, 0.0]
    assert MathReward(extraction="free").score(group) == [1.0, 1.0, 0.0, 1.0]
    reward.setup(None, None, "fit")
    reward.teardown(None, None, "fit")
