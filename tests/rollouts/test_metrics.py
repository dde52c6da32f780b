"""Figures of outcomes: over all groups, by level, and by domain where there are several."""

from k15.rollouts.metrics import outcome_metrics
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


def test_one_domain_has_no_figure_of_its_own() -> None:
    figures = outcome_metrics([group("math", 1, 1.0), group("math", 2, 0.0)])
    assert figures["accuracy"] == 0.5 and "accuracy/math" not in figures
