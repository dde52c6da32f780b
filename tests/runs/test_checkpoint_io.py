"""Full disks, and files that are no checkpoints."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from k15.config import ConfigError
from k15.runs.checkpoint_io import SealedCheckpoints
from k15.runs.checkpoints import fault

SMALL, LARGE = {"weights": torch.zeros(10)}, {"weights": torch.zeros(1_000_000)}  # 4 MB


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 1 MiB."""
    options = ["-t", "tmpfs", "-o", "size=1m", "k15-test", str(tmp_path)]
    mounted = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small file system: {mounted.stderr.strip()}")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_disk_leaves_the_checkpoints_before(disk: Path) -> None:
    files = SealedCheckpoints()
    files.save_checkpoint(SMALL, disk / "one.ckpt")
    for name in ("two.ckpt", "one.ckpt"):  # a new file, and in the place of an old one
        with pytest.raises(ConfigError, match=rf"{name} cannot be written: No space left"):
            files.save_checkpoint(LARGE, disk / name)
    assert [path.name for path in disk.iterdir()] == ["one.ckpt"]
    assert fault(disk / "one.ckpt") == ""


def test_a_disk_that_may_not_be_written(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(ConfigError, match="cannot be written: Read-only file system"):
        SealedCheckpoints().save_checkpoint(SMALL, disk / "checkpoints" / "one.ckpt")


def test_a_limit_on_the_size_of_files(tmp_path: Path) -> None:
    """As where there are quotas; in a process of its own, for the limit cannot be raised again."""
    program = (
        "import sys, torch; from k15.runs.checkpoint_io import SealedCheckpoints\n"
        "SealedCheckpoints().save_checkpoint({'a': torch.zeros(1000_000)}, sys.argv[1])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "one.ckpt")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "one.ckpt cannot be written: File too large" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04torn", b"{}", bytes(1000)])
def test_a_file_that_is_no_checkpoint(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "one.ckpt"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"one\.ckpt: not a checkpoint"):
        SealedCheckpoints().load_checkpoint(file)
