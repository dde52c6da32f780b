import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from k15.config import ROOT, ConfigError, load
from k15.exits import exit_on_error

REPOSITORY = Path(__file__).resolve().parents[2]


def test_content_of_groups_goes_under_their_names_and_of_root_groups_to_the_root(root):
    config = load("train", [], root)
    assert config.model.depth == 2
    assert config.data.levels == [1, 2]
    assert config.trainer.max_epochs == 10
    assert "stage" not in config
    assert "defaults" not in config
    assert "root_groups" not in config


def test_choices_are_in_the_result_and_open_to_interpolation(root):
    config = load("train", ["stage=sft", "model=big"], root)
    assert config.name == "sft-big"
    assert config.choices == {
        "stage": "sft",
        "model": "big",
        "data": "sums",
        "rewards": None,
        "experiment": None,
        "debug": None,
    }


def test_result_is_one_config_with_all_values_resolved(root):
    resolved = OmegaConf.to_container(load("train", ["seed=3"], root), resolve=True)
    assert resolved["seed"] == 3
    assert resolved["name"] == "rl-tiny"


def test_all_faults_are_reported_at_once_each_on_its_line(root):
    argv = ["data=math", "model.depht=3", "seed=x", "trainer.max_epoch=3", "verbose"]
    with pytest.raises(ConfigError) as caught:
        load("train", argv, root)
    lines = str(caught.value).splitlines()
    assert lines[0] == "verbose: expected group=choice or key=value"
    assert lines[1] == "model.depht: no such key; did you mean model.depth?"
    assert lines[2] == "seed: expected an integer, got 'x' (a string)"
    assert lines[3] == "data.path: has no value, give data.path=... on the command line"
    assert lines[4].startswith("trainer.max_epoch: lightning.Trainer has no parameter max_epoch")
    assert len(lines) == 5


def test_configs_lie_next_to_the_package():
    assert ROOT == REPOSITORY / "configs"


def test_unknown_entry_is_named(root):
    with pytest.raises(ConfigError, match=r"trian\.yaml: no such file"):
        load("trian", [], root)


def test_help_shows_the_entry_and_every_choice_with_its_first_line(root, capsys):
    with pytest.raises(SystemExit) as caught:
        load("train", ["stage=nonsense", "--help"], root)
    assert caught.value.code == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["Train a model.", "  python train.py stage=rl"]
    assert "  * rl                   RL: ten iterations" in printed
    assert "    math                 Problems from a file" in printed
    assert "  * sums" in printed


def test_cfg_prints_the_resolved_config(root, capsys):
    with pytest.raises(SystemExit) as caught:
        load("train", ["--cfg", "model.depth=5"], root)
    assert caught.value.code == 0
    printed = OmegaConf.create(capsys.readouterr().out)
    assert printed.name == "rl-tiny"
    assert printed.model.depth == 5
    assert printed.choices.rewards == "exact"


def test_exit_on_error_prints_the_faults_without_a_traceback(root, capsys):
    @exit_on_error()
    def main():
        load("train", ["seed=x", "model.depth=y"], root)

    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert capsys.readouterr().err == (
        "error: seed: expected an integer, got 'x' (a string)\n"
        "error: model.depth: expected an integer, got 'y' (a string)\n"
    )


@pytest.mark.parametrize(
    ("argv", "status"),
    [(["--help"], 0), (["--cfg"], 0), (["trainer.max_epoch=1"], 2), (["seed=2"], 0)],
)
def test_torch_and_lightning_are_not_imported(root, argv, status):
    program = (
        "import sys; from pathlib import Path\n"
        "from k15.config import load; from k15.exits import exit_on_error\n"
        "try:\n"
        "    with exit_on_error(): load('train', sys.argv[2:], Path(sys.argv[1]))\n"
        "finally:\n"
        "    assert not {'torch', 'lightning', 'transformers'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", program, str(root), *argv]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    assert "AssertionError" not in done.stderr
