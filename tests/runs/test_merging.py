"""The stage that trains nothing, from its command line to a folder that later stages find."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from k15 import runs
from k15.config import ROOT, ConfigError
from k15.models.loading import load_policy
from k15.models.tiny import tiny_policy
from k15.runs.chain import find_model


@pytest.fixture(scope="module")
def train() -> ModuleType:
    spec = importlib.util.spec_from_file_location("train", ROOT.parent / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    torch.manual_seed(0)
    for name in ("long", "short"):
        tiny_policy(hidden_size=32, layers=1).save(tmp_path / name)
    return [f"start_from={tmp_path}/long", f"average_with={tmp_path}/short"]


def test_two_folders_are_averaged(
    train: ModuleType, folders: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["stage=long2short_merge", *folders, f"outputs={tmp_path}/outputs", "trainer.share=0.25"]
    train.main(argv)
    found = find_model(f"{tmp_path}/outputs", "long2short_merge", runs.weights_fingerprint(argv))
    long, short, merged = (
        load_policy(str(folder)).model.state_dict()
        for folder in (tmp_path / "long", tmp_path / "short", found)
    )
    for name, tensor in merged.items():
        by_hand = 0.25 * long[name] + 0.75 * short[name]
        torch.testing.assert_close(tensor, by_hand, rtol=1e-6, atol=1e-8)
    assert "0.25 of " in capsys.readouterr().out


def test_models_that_cannot_be_averaged_end_in_a_line(
    train: ModuleType, folders: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_policy(hidden_size=32, layers=2).save(tmp_path / "short")
    with pytest.raises(SystemExit) as ended:
        train.main(["stage=long2short_merge", *folders, f"outputs={tmp_path}/outputs"])
    assert ended.value.code == 2
    assert "error: config.json: layer_types is " in capsys.readouterr().err


def test_one_model_has_no_average(train: ModuleType, folders: list[str], tmp_path: Path) -> None:
    argv = ["stage=long2short_merge", folders[0], "average_with=null", f"run_dir={tmp_path}/run"]
    (config,) = runs.stages_to_run(argv)
    with pytest.raises(ConfigError, match="average_with=null"):
        train.train(config)
