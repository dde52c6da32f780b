"""The report of a run: every number in it comes from the validations the test hands out."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from k15.callbacks.summary import Summary, draw_curves


def found(accuracy: float, tokens: float) -> dict[str, float]:
    return {"accuracy": accuracy, "response/tokens_mean": tokens}


def train_as_a_user(run, summary: Summary, figures: list[dict[str, float]], epochs: int) -> None:
    """As train.py does: measure, train, measure again."""
    experiment = run(summary, found=figures, epochs=epochs)
    experiment.validate()
    experiment.fit()
    experiment.validate()


def test_the_report_says_what_validations_found(run, tmp_path: Path, capsys) -> None:
    """The measurement after training takes the place of the one at the last iteration's end."""
    figures = [found(0.25, 10), found(0.5, 12), found(0.625, 14), found(0.75, 20)]
    train_as_a_user(run, Summary(str(tmp_path), seed=7), figures, epochs=2)
    report = json.loads((tmp_path / "summary.json").read_text())
    assert report["held_out"] == {
        "problems": 3,
        "iterations": 2,
        "accuracy_before": 0.25,
        "accuracy_after": 0.75,
        "mean_tokens_before": 10,
        "mean_tokens_after": 20,
    }
    assert report["seed"] == 7
    assert report["cpu_seconds"] > 0 and report["seconds"] > 0
    points = [(p["iteration"], p["val/accuracy"]) for p in report["history"]]
    assert points == [(0, 0.25), (1, 0.5), (2, 0.75)]
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["accuracy", "0.250", "0.750"] in lines
    assert ["response/tokens_mean", "10.000", "20.000"] in lines


def test_the_report_says_how_sure_the_accuracy_is(tmp_path: Path) -> None:
    summary = Summary(str(tmp_path), seed=7)
    for done, error in ((0, 0.25), (2, 0.125)):
        figures = {"val/accuracy": 0.5, "val/accuracy_error": error, "val/questions": 2.0}
        summary.history.append({"iteration": done, **figures, "val/response/tokens_mean": 10.0})
    report = summary.summary(3)["held_out"]
    assert (report["problems"], report["questions"]) == (3, 2)
    assert (report["accuracy_error_before"], report["accuracy_error_after"]) == (0.25, 0.125)


def test_one_measurement_is_no_report(run, tmp_path: Path) -> None:
    """Before training there is nothing to compare with."""
    experiment = run(Summary(str(tmp_path / "run"), seed=0), found=[found(0.25, 10)])
    experiment.validate()
    assert not (tmp_path / "run").exists()


def test_the_record_goes_on_after_a_resume(run, tmp_path: Path) -> None:
    """A new process: iteration 1 comes from the checkpoint, iteration 2 is new."""
    figures = [found(0.25, 10), found(0.5, 12), found(0.5, 12)]
    first = run(Summary(str(tmp_path), seed=0), found=figures, checkpoints=tmp_path)
    first.validate()
    first.fit()
    resumed = Summary(str(tmp_path), seed=0)
    second = run(resumed, found=[found(0.625, 14), found(0.75, 20)], epochs=2)
    second.fit(first.trainer.checkpoint_callback.best_model_path)
    second.validate()
    points = [(p["iteration"], p["val/accuracy"]) for p in resumed.history]
    assert points == [(0, 0.25), (1, 0.5), (2, 0.75)]
    report = json.loads((tmp_path / "summary.json").read_text())
    assert report["held_out"]["accuracy_before"] == 0.25


def test_a_repeated_iteration_replaces_its_point_and_all_later_ones(run, tmp_path: Path) -> None:
    """Training went back to the start: what was found at iterations 1 and 2 is void."""
    summary = Summary(str(tmp_path), seed=0)
    old = [{"iteration": i, "val/accuracy": 0.125} for i in range(3)]
    clock = {"seconds": 0.0, "cpu_seconds": 0.0}
    summary.load_state_dict({"history": old, "clock": clock})
    run(summary, found=[found(0.5, 12)]).fit()
    points = [(p["iteration"], p["val/accuracy"]) for p in summary.history]
    assert points == [(0, 0.125), (1, 0.5)]


def test_seconds_add_up_over_resumed_runs(tmp_path: Path) -> None:
    resumed = Summary(str(tmp_path), seed=0)
    clock = {"seconds": 1000.0, "cpu_seconds": 500.0}
    before = resumed.clock()
    resumed.load_state_dict({"history": [], "clock": clock})
    after = resumed.state_dict()["clock"]
    assert after["seconds"] >= before["seconds"] + 1000
    assert after["cpu_seconds"] >= before["cpu_seconds"] + 500


def test_the_picture_shows_the_history(tmp_path: Path) -> None:
    """8 x 3.2 inches at 150 dots per inch; other numbers, another picture."""
    pictures = []
    for accuracy in (0.25, 0.5):
        history = [
            {"iteration": i, "val/accuracy": accuracy * i, "val/response/tokens_mean": 10.0}
            for i in range(3)
        ]
        draw_curves(history, tmp_path / "curves.png")
        with Image.open(tmp_path / "curves.png") as picture:
            assert (picture.format, picture.size) == ("PNG", (1200, 480))
            pictures.append(np.asarray(picture.convert("L")))
    left, right = np.hsplit(pictures[0] != pictures[1], 2)
    assert left.any() and not right.any()
