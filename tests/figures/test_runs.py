"""Which runs a figure lacks, and that a second command makes none."""

import json
from pathlib import Path

import pytest

from k15.config import ConfigError
from k15.figures.runs import Folders, Run, make, run

SFT = Run(name="sft", words=("stage=sft", "task=chain"))
RL = Run(
    name="rl",
    words=("stage=rl", "task=chain"),
    starts={"start_from": "sft"},
    measured=("task=chain",),
)


def test_what_is_missing_comes_in_order_with_the_models_it_starts_from(tmp_path: Path) -> None:
    folders = Folders(tmp_path, [SFT, RL])
    commands = folders.missing(2)
    assert [program for program, _ in commands] == ["train.py", "train.py", "evaluate.py"]
    sft, rl = folders("sft", 2), folders("rl", 2)
    assert {f"start_from={sft}/model", f"run_dir={rl}", "seed=2", "resume=auto"} <= {
        *commands[1][1]
    }
    assert {"task=chain", f"model.path={rl}/model", "seed=2"} <= {*commands[2][1]}


def test_a_finished_run_is_not_made_again_and_a_stopped_one_is(tmp_path: Path) -> None:
    """SFT ends with its model's fingerprint, RL with its summary, measuring with the results."""
    folders = Folders(tmp_path, [SFT, RL])
    for file in ("fingerprint", "model/config.json", "measured/results.json"):
        for name in ("sft", "rl"):
            path = folders(name, 1) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("{}")
    assert [words[0] for _, words in folders.missing(1)] == ["stage=rl"]
    (folders("rl", 1) / "summary.json").write_text("{}")
    assert folders.missing(1) == []
    assert len(folders.missing(2)) == 3


def test_other_settings_of_a_run_or_of_its_start_are_another_folder(tmp_path: Path) -> None:
    before = Folders(tmp_path, [SFT, RL])
    more = Run(name="sft", words=(*SFT.words, "demonstrations.error=0.5"))
    after = Folders(tmp_path, [more, RL])
    assert before("sft", 1) != after("sft", 1) and before("rl", 1) != after("rl", 1)
    assert before("rl", 1) == Folders(tmp_path, [SFT, RL])("rl", 1)


def test_what_all_seeds_have_in_common_is_run_once(tmp_path: Path) -> None:
    base = Run(name="base", words=("stage=pretrain",), seed=0)
    sft = Run(name="sft", words=SFT.words, starts={"start_from": "base"})
    folders = Folders(tmp_path, [base, sft])
    ((program, words),) = folders.common()
    assert program == "train.py" and {"stage=pretrain", "seed=0"} <= {*words}
    assert folders("base", 1) == folders("base", 2) and folders("sft", 1) != folders("sft", 2)
    folders("base", 1).mkdir(parents=True)
    (folders("base", 1) / "fingerprint").write_text("x")
    assert folders.common() == []
    assert [words[0] for _, words in folders.missing(2)] == ["stage=sft"]


def test_a_start_that_is_no_run_before_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run 'rl' starts from 'sft': list it before"):
        Folders(tmp_path, [RL, SFT])


def test_a_run_that_fails_ends_the_figure_with_its_last_words(tmp_path: Path) -> None:
    words = ["stage=sft", "task.level=[1]", f"run_dir={tmp_path}/bad"]
    with pytest.raises(ConfigError, match=r"(?s)train\.py ended with status 2.*task\.level"):
        run("train.py", words)
    assert "task.level" in (tmp_path / "bad" / "output.log").read_text()


@pytest.mark.slow
def test_a_figures_runs_are_made_and_measured_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    small = ("task=chain", "task.levels=[2,3]", "data.held_out_problems=20", "debug=tiny")
    runs = [
        Run(name="sft", words=("stage=sft", *small)),
        Run(
            name="rl",
            words=("stage=rl", *small, "sizes.problems_per_iteration=4"),
            starts={"start_from": "sft"},
            measured=(*small[:2], "benchmark.size=20"),
        ),
    ]
    folders = Folders(tmp_path, runs)
    make(folders, [1], 1)
    assert capfd.readouterr().out.count("python ") == 3
    results = json.loads((folders("rl", 1) / "measured" / "results.json").read_text())
    assert results["scores"][0]["problems"] == 20
    make(folders, [1], 1)
    assert capfd.readouterr().out == ""
