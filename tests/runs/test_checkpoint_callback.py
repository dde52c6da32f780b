"""Every finished iteration is saved; of the saved ones the newest few stay, over resumes too."""

from pathlib import Path

import pytest
import torch

from k15.folders import UNFINISHED
from k15.runs.checkpoint_callback import Checkpoints


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_iteration_without_a_step_is_saved(run, tmp_path: Path) -> None:
    silent = run(Checkpoints(str(tmp_path), keep=1), epochs=4, checkpoints=tmp_path)
    silent.module.select_groups = lambda experience: []
    silent.fit()
    assert silent.trainer.global_step == 0
    assert files(tmp_path) == ["epoch=00003.ckpt"]
    assert torch.load(tmp_path / "epoch=00003.ckpt")["epoch"] == 3


def test_resumes_leave_no_checkpoint_behind(run, tmp_path: Path) -> None:
    for epochs in (1, 3, 4):
        found = sorted(tmp_path.glob("*.ckpt"))
        checkpoints = Checkpoints(str(tmp_path), keep=2)
        run(checkpoints, epochs=epochs, checkpoints=tmp_path).fit(*map(str, found[-1:]))
    assert files(tmp_path) == ["epoch=00002.ckpt", "epoch=00003.ckpt"]


def test_what_a_run_has_left_behind_goes(run, tmp_path: Path) -> None:
    """Newer ones of a past that was given up, and what a killed process was writing."""
    for name in ("epoch=00007.ckpt", "epoch=00000-step=00000001.ckpt", "best.ckpt"):
        (tmp_path / name).touch()
    (tmp_path / f".epoch=00009.ckpt{UNFINISHED}").touch()
    run(Checkpoints(str(tmp_path)), epochs=2, checkpoints=tmp_path).fit()
    assert files(tmp_path) == ["best.ckpt", "epoch=00000.ckpt", "epoch=00001.ckpt"]
    assert (tmp_path / "best.ckpt").stat().st_size == 0  # somebody else's


@pytest.mark.parametrize("setting", [{"keep": 0}, {"every_n_steps": 0}])
def test_sizes_that_cannot_be(setting: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"callbacks\.checkpoint\.\w+=0: must be at least 1"):
        Checkpoints(str(tmp_path), **setting)
