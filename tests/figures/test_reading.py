"""What run folders say: numbers that can be redone by hand."""

import json
from pathlib import Path

import pytest

from k15.evaluation.samples import Sample
from k15.figures.reading import Estimate, curve, measured
from k15.journal import Journal


def write(folder: Path, answers: list[tuple[str, str, float, int]]) -> Path:
    """A measured model: id, question, correct, tokens."""
    place = folder / "measured"
    place.mkdir(parents=True)
    rows = {id: question for id, question, _, _ in answers}
    fixed = {"benchmark": "chain", "answer": "4", "images": [], "groups": {}}
    lines = [
        {**fixed, "id": id, "question": question, "max_response_tokens": 8}
        for id, question in rows.items()
    ]
    (place / "problems.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    journal = Journal(place / "samples.jsonl")
    for index, (id, _, correct, tokens) in enumerate(answers):
        at = Sample(
            benchmark="chain",
            prompting="plain",
            id=id,
            index=index,
            response="",
            tokens=tokens,
            finish="stop",
            extracted=None,
            correct=correct,
            how="",
        )
        journal.append(at)
    journal.close()
    return folder


def test_accuracy_tokens_and_right_answers_per_100_tokens(tmp_path: Path) -> None:
    """Three right of four in 10+20+30+40 = 100 tokens; one question is asked by both seeds."""
    one = write(tmp_path / "1", [("a", "2+2", 1.0, 10), ("b", "2+3", 0.0, 20)])
    other = write(tmp_path / "2", [("c", "2+2", 1.0, 30), ("d", "2+4", 1.0, 40)])
    found = measured([one, other])
    assert (found.accuracy.value, found.tokens.value, found.efficiency.value) == (0.75, 25.0, 3.0)
    assert found.questions == 3
    assert list(found.seeds) == [(0.5, 15.0), (1.0, 35.0)]
    assert found.accuracy.low < 0.75 < found.accuracy.high


def test_models_that_are_always_right_have_an_interval_in_tokens_alone(tmp_path: Path) -> None:
    folder = write(tmp_path, [(str(n), f"{n}+1", 1.0, 10 + n % 2) for n in range(40)])
    found = measured([folder])
    assert found.accuracy == Estimate(value=1.0, low=1.0, high=1.0)
    assert 10 < found.tokens.low < 10.5 < found.tokens.high < 11


def test_a_curve_is_the_mean_over_seeds_where_all_have_been_measured() -> None:
    """Errors of 0.03 and 0.04 make one of 0.05 / 2 = 0.025 of the mean of two."""

    def points(accuracy: float, error: float, last: int) -> list[dict[str, float]]:
        found = {"val/accuracy": accuracy, "val/accuracy_error": error}
        return [{"iteration": i, **found} for i in range(0, last, 4)]

    found = curve([points(0.5, 0.03, 9), points(0.7, 0.04, 13)])
    assert found["iteration"] == [0, 4, 8]
    assert found["mean"] == pytest.approx([0.6] * 3)
    assert found["high"] == pytest.approx([0.6 + 1.96 * 0.025] * 3)
    doubled = curve([points(0.5, 0.03, 9)], lambda point: 2 * point["val/accuracy"])
    assert doubled == {"iteration": [0, 4, 8], "mean": [1.0] * 3}


def test_intervals_are_apart_or_overlap() -> None:
    low, high = Estimate(value=0.1, low=0.0, high=0.2), Estimate(value=0.9, low=0.8, high=1.0)
    assert high.above(low) and not low.above(high)
    assert not high.above(Estimate(value=0.7, low=0.6, high=0.81))
    assert low.said(1) == "0.1 (0.0 to 0.2)"
