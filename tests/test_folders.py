"""Files that are whole, and folders that one process has for itself."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from k15.config import ConfigError
from k15.folders import UNFINISHED, locked, unused_folder, whole, write_text

HOLD = (
    "import sys, time; from pathlib import Path; from k15.folders import locked, whole\n"
    "folder = Path(sys.argv[1])\n"
    "with locked(folder), whole(folder / 'file') as file:\n"
    "    file.write(b'new'); file.flush(); print('here', flush=True); time.sleep(600)\n"
)


@pytest.fixture
def holder(tmp_path: Path):
    """A process that holds the folder's lock and is in the middle of writing `file`."""
    (tmp_path / "file").write_text("old")
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "here\n"
        yield process
        process.kill()


def test_a_locked_folder_names_who_is_there(holder, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"{tmp_path}: process {holder.pid} is writing there"):
        locked(tmp_path).__enter__()
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with locked(tmp_path):  # the dead hold no lock
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_a_file_is_as_before_until_it_is_whole(holder, tmp_path: Path) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "file").read_text() == "old"
    assert (tmp_path / f".file{UNFINISHED}").read_text() == "new"
    write_text(tmp_path / "file", "newer")
    assert (tmp_path / "file").read_text() == "newer"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "lock"]


def test_what_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "old")
    with pytest.raises(KeyboardInterrupt), whole(tmp_path / "file") as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_folders_are_named_by_the_time(tmp_path: Path) -> None:
    one = unused_folder(tmp_path)
    one.mkdir()
    two = unused_folder(tmp_path)
    assert one.name < two.name
