"""Folders of several moments: whole or not there, and the best one is never missing."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from k15.callbacks.model_folders import ModelFolders
from k15.models.policy import Policy


def named(folder: Path) -> Callable[[Path], None]:
    """Saves nothing but a folder."""
    return lambda path: path.mkdir(parents=True)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fifth(epochs: int) -> bool:
    return epochs % 5 == 0


def test_the_newest_stay_and_the_best(tmp_path: Path) -> None:
    folders = ModelFolders(tmp_path, named(tmp_path))
    for epochs in (5, 7, 10, 15, 20):
        path = folders.write(epochs)
        if epochs in (5, 7):
            folders.choose(path)
        folders.clean(fifth, keep=2)
    assert names(tmp_path) == ["best", "epoch_0007", "epoch_0015", "epoch_0020"]
    assert (tmp_path / "best").resolve() == tmp_path / "epoch_0007"


def test_a_moment_that_comes_again_replaces_the_one_that_was(tmp_path: Path) -> None:
    folders = ModelFolders(tmp_path, named(tmp_path))
    folders.choose(folders.write(5))
    assert folders.write(5).name == "epoch_0005-2"
    folders.clean(fifth, keep=1)
    assert names(tmp_path) == ["best", "epoch_0005", "epoch_0005-2"]  # the best one is the first
    folders.choose(tmp_path / "epoch_0005-2")
    folders.clean(fifth, keep=1)
    assert names(tmp_path) == ["best", "epoch_0005-2"]


def test_killed_while_saving_the_best_one_is_the_one_before(
    make_policy: Callable[..., Policy], tmp_path: Path
) -> None:
    """A process that dies with half of its files written; the next one starts anew."""
    policy = make_policy()
    folders = ModelFolders(tmp_path, policy.save)
    folders.choose(folders.write(1))

    def dying(path: Path) -> None:
        policy.save(path)
        (path / "model.safetensors").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    if not (child := os.fork()):
        killed = ModelFolders(tmp_path, dying)
        killed.choose(killed.write(2))
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert names(tmp_path) == ["best", "epoch_0001", "epoch_0002.unfinished"]
    AutoModelForCausalLM.from_pretrained(tmp_path / "best")
    folders.choose(folders.write(2))
    folders.clean(fifth, keep=1)
    assert names(tmp_path) == ["best", "epoch_0002"]


@pytest.mark.parametrize("left", ["best.unfinished", "epoch_0003.unfinished"])
def test_what_a_killed_process_left_is_no_model(left: str, tmp_path: Path) -> None:
    folders = ModelFolders(tmp_path, named(tmp_path))
    folders.write(3)
    (tmp_path / left).symlink_to("epoch_0001") if "best" in left else (tmp_path / left).mkdir()
    assert [epochs for epochs, _ in folders.found()] == [3] and folders.best() is None
    folders.choose(folders.write(3))
    assert names(tmp_path) == ["best", "epoch_0003", "epoch_0003-2"]
