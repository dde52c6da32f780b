"""Figures of outcomes: over all groups, by level, and by domain where there are several."""

from dataclasses import replace

import pytest

from k15.rollouts.metrics import certainty, experience_metrics, outcome_metrics
from k15.types import Problem, Rollout, RolloutGroup, Segment


def group(domain: str, level: int, *outcome: float) -> RolloutGroup:
    segment = Segment(tokens=(7,), logps=(-0.5,), version=0)
    rollout = Rollout(segments=(segment,), finish="stop")
    return RolloutGroup(
        problem=Problem(
            id=f"{domain}-{level}", prompt=(), answer="", domain=domain, difficulty=level
        ),
        prompt_tokens=(1,),
        rollouts=(rollout,) * len(outcome),
        outcome=outcome,
        reward=outcome,
    )


def test_accuracy_by_level_and_by_domain() -> None:
    groups = [group("math", 1, 1.0, 0.0), group("code", 1, 1.0, 1.0), group("code", 2, 0.0, 1.0)]
    figures = outcome_metrics(groups)
    named = {name: value for name, value in figures.items() if name.startswith("accuracy")}
    assert named == {
        "accuracy": 4 / 6,
        "accuracy/level_1": 0.75,
        "accuracy/level_2": 0.5,
        "accuracy/math": 0.5,
        "accuracy/code": 0.75,
    }


def test_how_sure_the_accuracy_is_goes_by_different_questions() -> None:
    """1, 1 of one question and 0 of another: 2/3 off the mean each, times the root of 2*2, over 3;
    a copy of all three changes nothing.
    """
    one, other = group("math", 1, 1.0), group("math", 2, 0.0)
    asked = [replace(g, problem=replace(g.problem, prompt=({"content": t},)))
             for g, t in ((one, "1+1?"), (one, " 1+1?"), (other, "1+2?"))]  # fmt: skip
    expected = {"accuracy_error": pytest.approx(4 / 9), "questions": 2}
    assert certainty(asked) == certainty(asked * 2) == expected
    assert certainty(asked[:2]) == certainty([]) == {}


def test_one_domain_has_no_figure_of_its_own() -> None:
    figures = outcome_metrics([group("math", 1, 1.0), group("math", 2, 0.0)])
    assert figures["accuracy"] == 0.5 and "accuracy/math" not in figures


def test_figures_of_age_entropy_and_prompt() -> None:
    """Of the finished group's 8 tokens 5 are two iterations old, 3 fresh; the unfinished group adds
    two fresh ones. Fresh log-probabilities add up to -6 over 5 tokens.
    """
    old = Segment(tokens=(7,) * 5, logps=(-9.0,) * 5, version=2)
    new = Segment(tokens=(8, 8, 8), logps=(-1.0, -2.0, -1.0), version=4)
    open_one = Segment(tokens=(8, 8), logps=(-0.5, -1.5), version=4)
    first, second = group("math", 1, 1.0), group("math", 1, 1.0)
    first = replace(first, rollouts=(Rollout(segments=(old, new), finish="stop"),))
    second = replace(second, prompt_tokens=(1,) * 9, rollouts=(Rollout(segments=(open_one,)),))
    seconds = {"rollout": 2.0, "reward": 1.0}
    figures = experience_metrics([first, second], [first], 4, dropped=0, seconds=seconds)
    assert (figures["response/age_2"], figures["response/age_0"]) == (5 / 8, 3 / 8)
    assert "response/age_1" not in figures
    assert figures["rollout/tokens"] == 5
    assert figures["rollout/entropy"] == pytest.approx(6 / 5)
    assert figures["prompt/tokens_mean"] == 1.0
    ahead = experience_metrics([first], [first], 5, version=4, dropped=0, seconds=seconds)
    assert ahead["rollout/tokens"] == 3 and ahead["rollout/entropy"] == pytest.approx(4 / 3)
    assert (ahead["response/age_3"], ahead["response/age_1"]) == (5 / 8, 3 / 8)


def test_an_iteration_in_which_nothing_ended_has_no_ages() -> None:
    seconds = {"rollout": 2.0, "reward": 1.0}
    figures = experience_metrics([], [], 4, dropped=0, seconds=seconds)
    assert figures["rollout/entropy"] == 0 and not any("age" in name for name in figures)
