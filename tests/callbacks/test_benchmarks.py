"""Benchmarks while training, in real runs of train.py."""

import csv
import json

import pytest

import train


@pytest.mark.parametrize("stage", ["rl", "sft"])
def test_scores_are_logged_and_written_every_few_epochs(stage, tmp_path):
    train.main(
        [
            f"stage={stage}",
            "debug=tiny",
            "trainer.max_epochs=3",
            "benchmark=task",
            "benchmark.limit=3",
            "benchmark.samples=2",
            "callbacks.benchmarks.every_n_epochs=2",
            "logger=csv",
            f"run_dir={tmp_path}",
        ]
    )
    folders = sorted((tmp_path / "benchmarks").iterdir())
    # after two epochs, and after the last
    assert [folder.name for folder in folders] == ["epoch_0002", "epoch_0003"]
    values = []
    for folder in folders:
        (score,) = json.loads((folder / "results.json").read_text())["scores"]
        assert score["problems"] == 3 and score["samples"] == 2
        values.append(score["metrics"]["tokens_mean"])
    (log,) = tmp_path.rglob("metrics.csv")
    with log.open() as file:
        logged = [row.get("benchmark/task/plain/tokens_mean") for row in csv.DictReader(file)]
    assert [float(value) for value in logged if value] == pytest.approx(values, rel=1e-5)
