import logging
import re
from dataclasses import replace

import pytest
import torch

from k15.graders.base import GraderFailure
from k15.rewards.base import RewardCallback
from k15.rewards.length import LengthReward
from k15.rewards.repetition import RepetitionPenalty
from k15.rewards.scorer import RewardError, Scorer


class Says(RewardCallback):
    """1 for a text that is the answer, word for word."""

    outcome = True

    def score(self, group):
        return [float(rollout.text == group.problem.answer) for rollout in group.rollouts]

    def check(self, problem):
        if not problem.answer:
            raise ValueError("there is no answer")


class Returns(RewardCallback):
    """Returns whatever it was given."""

    def __init__(self, values):
        super().__init__()
        self.values = values

    def score(self, group):
        return self.values


class Raises(RewardCallback):
    def score(self, group):
        return [group.problem.meta["unknown"] for _ in group.rollouts]


class Breaks(Says):
    """Its grader fails `failures` times, then works."""

    def __init__(self, failures):
        super().__init__()
        self.failures = failures

    def score(self, group):
        if self.failures:
            self.failures -= 1
            raise GraderFailure("sandbox unreachable")
        return super().score(group)


def test_parts_reward_and_outcome_by_hand(make_group):
    group = make_group(
        ["4", "5", "4"], lengths=[10, 20, 30], finishes=["stop", "stop", "repetition"]
    )
    scorer = Scorer(
        {
            "length": LengthReward(weight=0.5),  # first in the mapping, scored after the outcome
            "repetition": RepetitionPenalty(weight=0.25),
            "answer": Says(weight=2.0),
        }
    )
    scored = scorer.score(group)
    assert scored.parts == {
        "answer": (1.0, 0.0, 1.0),
        "length": (0.5, 0.0, -0.5),
        "repetition": (0.0, 0.0, -1.0),
    }
    # 2·1 + 0.5·0.5;  0;  2·1 - 0.5·0.5 - 0.25·1
    assert scored.reward == (2.25, 0.0, 1.5)
    assert scored.outcome == (1.0, 0.0, 1.0)
    assert scored.success_rate == 2 / 3
    assert scored.rollouts == group.rollouts


class Grades(Returns):
    """The same as a verdict."""

    outcome = True


def test_a_response_is_as_right_as_the_strictest_verifier_says(make_group):
    """Two verifiers, and a length reward that asks which responses are right."""
    scorer = Scorer(
        {
            "length": LengthReward(weight=1.0),
            "partly": Grades([1.0, 0.5, 1.0]),
            "answer": Says(weight=2.0),
        }
    )
    scored = scorer.score(make_group(["4", "4", "5"], lengths=[10, 20, 30]))
    assert scored.outcome == (1.0, 0.5, 0.0)
    assert scored.success_rate == 0.5
    assert scored.parts["length"] == (0.5, 0.0, -0.5)
    assert scored.reward == (1.0 + 2.0 + 0.5, 0.5 + 2.0, 1.0 - 0.5)


@pytest.mark.parametrize("value", [2.0, -1.0, 1.001])
def test_an_outcome_is_a_share(make_group, value):
    """A reward that only shapes may be any number."""
    group = make_group(["4", "5"])
    assert Scorer({"a": Says(), "odd": Returns([value, 0.0])}).score(group).parts["odd"][0] == value
    with pytest.raises(RewardError, match=f"'odd': rollout 0 got {value}, .* from 0 .* to 1"):
        Scorer({"odd": Grades([value, 0.0])}).score(group)


def test_scoring_twice_is_scoring_once(make_group):
    scorer = Scorer({"answer": Says(), "length": LengthReward()})
    once = scorer.score(make_group(["4", "5"], lengths=[1, 2]))
    assert scorer.score(once) == once


def test_only_rewards_of_the_domain_count(make_group):
    scorer = Scorer({"answer": Says(domains=["math"]), "vision": Says(domains=["vision"])})
    assert scorer.score(make_group(["4"])).parts == {"answer": (1.0,)}
    assert scorer.score(make_group(["4"], domain="vision")).parts == {"vision": (1.0,)}


def test_a_domain_that_nobody_verifies_is_refused(make_group):
    scorer = Scorer({"answer": Says(domains=["math"]), "length": LengthReward()})
    group = make_group(["4"], domain="code")
    expected = (
        r"domain 'code' has no outcome reward; there are: "
        r"answer \(outcome, domains math\), length \(shaping, domains all\)"
    )
    with pytest.raises(ValueError, match=expected):
        scorer.score(group)
    assert re.search(expected, scorer.refusals([group.problem])[group.problem.id])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0], "expected 2 values, got 1"),
        ([1.0, 0.0, 0.0], "expected 2 values, got 3"),
        (None, "expected 2 values, got None"),
        (1.0, r"expected 2 values, got 1\.0"),
        ([1.0, float("nan")], "rollout 1 got nan"),
        ([float("inf"), 0.0], "rollout 0 got inf"),
        ([1.0, None], "rollout 1 got None"),
        (["1", "0"], "rollout 0 got '1'"),
    ],
)
def test_anything_but_one_finite_number_per_rollout_is_refused(make_group, values, message):
    scorer = Scorer({"answer": Says(), "odd": Returns(values)})
    with pytest.raises(RewardError, match=f"reward 'odd' on problem 'sum-1': {message}"):
        scorer.score(make_group(["4", "5"]))


def test_numbers_of_other_kinds_become_floats(make_group):
    scorer = Scorer({"answer": Says(), "tensor": Returns(torch.tensor([0.25, -1.0]))})
    assert scorer.score(make_group(["4", "5"])).parts["tensor"] == (0.25, -1.0)


def test_a_reward_that_raises_stops_the_run_and_says_where(make_group):
    scorer = Scorer({"answer": Says(), "odd": Raises()})
    with pytest.raises(KeyError, match="unknown") as caught:
        scorer.score(make_group(["4", "5"]))
    assert caught.value.__notes__ == ["raised by reward 'odd' on problem 'sum-1'"]


def test_a_grader_that_recovers_is_asked_again(make_group):
    scorer = Scorer({"answer": Breaks(failures=2)}, retries=2, backoff=0.0)
    assert scorer.score(make_group(["4", "5"])).outcome == (1.0, 0.0)
    assert (scorer.seen, scorer.dropped) == (1, 0)


def test_a_grader_that_stays_broken_drops_the_group_and_never_scores_it_zero(make_group, caplog):
    scorer = Scorer({"answer": Breaks(failures=3)}, retries=2, backoff=0.0)
    with caplog.at_level(logging.WARNING):
        assert scorer.score(make_group(["4", "5"])) is None
    assert "sum-1 dropped, its grader failed: sandbox unreachable" in caplog.text
    assert (scorer.seen, scorer.dropped) == (1, 1)
    assert scorer.score(make_group(["4", "5"])).outcome == (1.0, 0.0)


def test_too_many_drops_stop_the_run_with_the_cause(make_group):
    scorer = Scorer({"answer": Breaks(failures=0)}, retries=0, max_dropped=0.1)
    group = make_group(["4"])
    for _ in range(18):
        scorer.score(group)
    scorer.rewards["answer"].failures = 2
    assert scorer.score(group) is None  # 1 of 19: one is always forgiven
    assert scorer.score(group) is None  # 2 of 20 are not more than 10 %
    scorer.rewards["answer"].failures = 1
    with pytest.raises(GraderFailure, match=r"3 of 21 .*max_dropped=0\.1.* sandbox unreachable"):
        scorer.score(group)


def test_drops_are_counted_per_iteration(make_group):
    scorer = Scorer({"answer": Breaks(failures=1)}, retries=0)
    group = make_group(["4"])
    assert scorer.score(group) is None
    assert scorer.score(group) is not None
    scorer.start_iteration()
    assert (scorer.seen, scorer.dropped) == (0, 0)


def test_iterations_in_which_nothing_can_be_graded_do_not_go_on_for_ever(make_group):
    scorer = Scorer({"answer": Breaks(failures=9)}, retries=0)
    scorer.start_iteration()
    assert scorer.score(make_group(["4"])) is None
    scorer.start_iteration()
    with pytest.raises(GraderFailure, match="2 of 2 groups"):
        scorer.score(make_group(["4"]))


def test_refusals_say_why_by_id(make_group):
    scorer = Scorer({"answer": Says()})
    good, bad = make_group(["4"]).problem, make_group(["4"], answer=None).problem
    assert scorer.refusals([good, good]) == {}
    assert scorer.refusals([good, replace(bad, id="bad")]) == {"bad": "there is no answer"}
