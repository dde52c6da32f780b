"""Scoring beside generation: the same results however long it takes, and no exception is lost."""

import threading
import time
from dataclasses import replace

import pytest

from k15.rollouts.scoring import Scoring
from k15.types import Problem, Rollout, RolloutGroup


def group(number: int) -> RolloutGroup:
    problem = Problem(id=f"p{number}", prompt=(), answer="")
    return RolloutGroup(
        problem=problem, prompt_tokens=(1,), rollouts=(Rollout(finish="stop"),), number=number
    )


def scored(group: RolloutGroup) -> RolloutGroup:
    return replace(group, reward=(float(group.number),))


def test_results_come_in_the_order_of_the_groups_whatever_takes_longest() -> None:
    """The first is scored last: it waits for the other two."""
    others = threading.Barrier(3)

    def score(group: RolloutGroup) -> RolloutGroup | None:
        others.wait(10)
        time.sleep(0.05 if group.number == 0 else 0)
        return None if group.number == 1 else scored(group)

    with Scoring(score, threads=3, deadline=10) as scoring:
        scoring.submit([group(0)])
        scoring.submit([group(0), group(1), group(2)])
        assert list(scoring.results()) == [scored(group(0)), None, scored(group(2))]


def test_one_thread_asks_in_the_order_of_the_groups() -> None:
    asked: list[int] = []

    def score(group: RolloutGroup) -> RolloutGroup:
        asked.append(group.number)
        return group

    with Scoring(score, threads=1, deadline=10) as scoring:
        scoring.submit([group(n) for n in (3, 1, 2)])
        list(scoring.results())
    assert asked == [3, 1, 2]


def broken(group: RolloutGroup) -> RolloutGroup:
    raise ZeroDivisionError(f"in {group.problem.id}")


def test_an_exception_is_raised_with_its_place_when_the_results_are_asked_for() -> None:
    with Scoring(broken, threads=1, deadline=10) as scoring:
        scoring.submit([group(4)])
        with pytest.raises(ZeroDivisionError, match="in p4") as caught:
            list(scoring.results())
    assert "broken" in [entry.name for entry in caught.traceback]


def test_an_exception_ends_the_iteration_at_the_next_group() -> None:
    with Scoring(broken, threads=1, deadline=10) as scoring:
        scoring.submit([group(4)])
        with pytest.raises(ZeroDivisionError, match="in p4"):
            for n in range(1000):
                time.sleep(0.01)
                scoring.submit([group(5 + n)])


def test_a_reward_that_does_not_come_is_named() -> None:
    never = threading.Event()

    def hangs(group: RolloutGroup) -> RolloutGroup:
        never.wait(60)
        return group

    with (
        Scoring(hangs, threads=1, deadline=0.05) as scoring,
        pytest.raises(TimeoutError, match=r"reward of problem 'p4' did not come within 0\.05 s"),
    ):
        scoring.submit([group(4)])
        list(scoring.results())
    never.set()


def test_seconds_that_hide_behind_generation_count_once() -> None:
    """Spans 1-3 and 2-5 overlap, 8-9 lies behind the moment 8.5 by half."""
    scoring = Scoring(scored, threads=1, deadline=1)
    scoring.spans = [(2.0, 5.0), (1.0, 3.0), (8.0, 9.0), (10.0, 11.0)]
    assert scoring.hidden(until=8.5) == 4.5
