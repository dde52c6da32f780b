"""Every flipped bit and every missing byte of a checkpoint is seen."""

import zipfile
from pathlib import Path

import pytest
import torch

from k15.runs.checkpoint_io import SealedCheckpoints
from k15.runs.checkpoints import SEAL, epochs_done, fault, name_of

STATE = {"weights": torch.arange(1000.0), "epoch": 3, "names": ["a", "b"]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoints" / name_of(3)
    SealedCheckpoints().save_checkpoint(STATE, path)
    return path


def test_it_is_an_ordinary_checkpoint_to_others(file: Path) -> None:
    assert fault(file) == ""
    for mapped in (True, False):
        read = torch.load(file, mmap=mapped)
        assert torch.equal(read["weights"], STATE["weights"]) and read["names"] == ["a", "b"]
    assert zipfile.ZipFile(file).testzip() is None
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_every_flipped_bit_is_seen(file: Path) -> None:
    """Also in the padding of the archive, in its directory and in the checksum itself."""
    content = file.read_bytes()
    for place in {*range(0, len(content), 97), *range(len(content) - SEAL - 30, len(content))}:
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        file.write_bytes(flipped)
        assert fault(file), place


@pytest.mark.parametrize("kept", [0, 1, SEAL - 1, SEAL, SEAL + 1, 1000, -1, -SEAL])
def test_torn_files_are_seen(kept: int, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:kept])
    assert "is torn" in fault(file)


def test_a_hole_in_a_file_is_seen(file: Path) -> None:
    """As a file system may leave it that lost power: the length is right, the content is not."""
    content = file.read_bytes()
    file.write_bytes(content[:512] + bytes(512) + content[1024:])
    assert "is damaged" in fault(file)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    assert fault(tmp_path / "absent") == "cannot be read (No such file or directory)"
    assert fault(tmp_path) == "is torn: it has no file sums"


def test_names_sort_by_age_and_say_what_is_done() -> None:
    """Within the first epoch, at its end, within the second, ..."""
    names = [name_of(0, 50), name_of(0, 100), name_of(0), name_of(1, 150), name_of(1)]
    assert names == sorted(names)
    assert [epochs_done(Path(name)) for name in names] == [0, 0, 1, 1, 2]
    assert epochs_done(Path("best.ckpt")) is None
