"""The report of a reward model's run holds what its validations found."""

import json
from pathlib import Path

from k15.callbacks.judge_summary import JudgeSummary


def test_the_report_says_what_validations_found(run, tmp_path: Path, capsys) -> None:
    """Three held-out items; the last measurement is the one that counts."""
    figures = [
        {"accuracy": 0.5, "unreadable": 1.0},
        {"accuracy": 0.75, "unreadable": 0.25},
        {"accuracy": 0.875, "unreadable": 0.0},
    ]
    experiment = run(JudgeSummary(str(tmp_path), seed=3), found=figures, epochs=1)
    experiment.validate()
    experiment.fit()
    experiment.validate()
    report = json.loads((tmp_path / "summary.json").read_text())
    assert report["held_out"] == {
        "judgements": 3,
        "accuracy_before": 0.5,
        "accuracy_after": 0.875,
        "unreadable_after": 0.0,
    }
    assert report["seed"] == 3 and report["cpu_seconds"] > 0
    printed = capsys.readouterr().out
    assert [line.split() for line in printed.splitlines()[1:3]] == [
        ["accuracy", "0.500", "0.875"],
        ["unreadable", "1.000", "0.000"],
    ]
