"""docs/long2short.md: its four commands, on a model that has begun to learn:
some of its answers are right and some wrong, and their lengths differ.
"""

import json
import re
import runpy
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "long2short.md").read_text()
COMMANDS = re.findall(r"^python train\.py (stage=long2short_\w+)$", PAGE, re.MULTILINE)
SMALL = [
    "outputs=outputs",
    "task.levels=[1]",
    "data.train_problems=12",
    "data.held_out_problems=7",
    "data.max_response_tokens=24",
    "model.hidden_size=32",
    "model.intermediate_size=64",
    "logger=null",
]
TINY = ["start_from=null", "datamodule.tokens=40_000", "demonstrations.give_up=[0.0]"]
RL = ["sizes.problems_per_iteration=4", "trainer.max_epochs=2", "trainer.check_val_every_n_epoch=1"]


def train(*words: str) -> None:
    runpy.run_path(str(ROOT / "train.py"))["main"]([*words, *SMALL])


@pytest.mark.slow
def test_the_commands_of_the_page_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two iterations of RL give the start and its best balance; rejection and DPO share samples."""
    monkeypatch.chdir(tmp_path)
    train("stage=sft", "run_dir=sft", *TINY, "learning_rates.sft=1e-2")
    train("stage=rl", "run_dir=rl", "start_from=sft/model", *RL)
    starts = {"long2short_rl": ["start_from=rl/balance/best", *RL]}
    starts["long2short_merge"] = ["start_from=rl/model", "average_with=sft/model"]
    for command in COMMANDS:
        stage = command.partition("=")[2]
        more = starts.get(stage, ["start_from=rl/model", f"learning_rates.{stage}=1e-4"])
        train(*shlex.split(command), *more, f"run_dir={stage}")
        assert (tmp_path / stage / "model" / "config.json").is_file()
    assert len(COMMANDS) == 4
    assert len([*(tmp_path / "outputs" / "samples").iterdir()]) == 1
    report = json.loads((tmp_path / "long2short_dpo" / "samples.json").read_text())
    assert report["train"]["items"] > 0
    assert json.loads((tmp_path / "rl" / "balance.json").read_text())["chosen"] in (1, 2)
