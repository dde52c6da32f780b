"""Where long2short RL starts is decided by a rule that a reader can follow on a table."""

import json
from pathlib import Path

import pytest
import torch

from k15.callbacks.balance import Balance, Point, balanced
from k15.models.loading import load_policy


def point(iteration: int, accuracy: float, tokens: float, error: float = 0.02) -> Point:
    return Point(iteration=iteration, accuracy=accuracy, error=error, tokens=tokens)


TABLE = [
    point(5, 0.50, 30.0),
    point(10, 0.69, 45.0),
    point(15, 0.685, 40.0),
    point(20, 0.70, 60.0),
    point(25, 0.66, 35.0),
]


def numbers(points: list[Point]) -> list[int]:
    return [point.iteration for point in points]


def test_the_shortest_within_an_error_of_the_best() -> None:
    """0.70 − 0.02 leaves 10, 15 and 20, of which 15 is the shortest; 10 and 20 are more accurate,
    and would be chosen if the best were better.
    """
    assert numbers(balanced(TABLE)) == [15, 10, 20]


@pytest.mark.parametrize(
    ("tolerance", "chosen"), [(0.0, [20]), (0.04, [25, 15, 10, 20]), (1.0, [5, 25, 15, 10, 20])]
)
def test_the_tolerance_can_be_given(tolerance: float, chosen: list[int]) -> None:
    assert numbers(balanced(TABLE, tolerance)) == chosen


def test_what_is_longer_and_no_better_is_never_kept() -> None:
    table = [point(5, 0.7, 40.0), point(10, 0.7, 40.0), point(15, 0.69, 41.0)]
    assert numbers(balanced(table)) == [5]


def figures(accuracy: float, tokens: float) -> dict[str, float]:
    return {"accuracy": accuracy, "accuracy_error": 0.02, "response/tokens_mean": tokens}


def test_a_run_keeps_the_weights_of_the_chosen_iteration(run, make_policy, tmp_path: Path) -> None:
    """Before training, then after three iterations, and once more: the second one is within an
    error of the third, and shorter. What training starts from does not count.
    """
    policy, weights = make_policy(), {}
    balance = Balance(policy, str(tmp_path))
    table = [(0.9, 1.0), (0.4, 20.0), (0.69, 30.0), (0.70, 50.0), (0.70, 50.0)]
    made = run(balance, policy=policy, found=[figures(*row) for row in table], epochs=3)
    keep = balance.keep

    def kept(newest: Point, new: bool) -> Point:
        weights[newest.iteration] = {
            n: t.clone() for n, t in made.module.model.state_dict().items()
        }
        return keep(newest, new)

    balance.keep = kept
    made.validate()
    made.fit()
    made.validate()
    assert sorted(folder.name for folder in (tmp_path / "balance").iterdir()) == [
        "best",
        "epoch_0002",
        "epoch_0003",
    ]
    report = json.loads((tmp_path / "balance.json").read_text())
    assert report["chosen"] == 2
    assert [one["iteration"] for one in report["validations"]] == [1, 2, 3]
    chosen = load_policy(str(tmp_path / "balance/best")).model.state_dict()
    assert all(torch.equal(chosen[name], weights[2][name]) for name in chosen)
    other = Balance(made.module.policy, str(tmp_path))
    other.load_state_dict(balance.state_dict())
    assert other.points == balance.points


def test_a_tolerance_below_zero_is_refused(make_policy, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tolerance=-0\.1"):
        Balance(make_policy(), str(tmp_path), tolerance=-0.1)
