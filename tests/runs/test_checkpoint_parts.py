"""A checkpoint that two ranks write together: there as a whole or not at all, every bit of it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import Shard, distribute_tensor
from torch.multiprocessing.spawn import ProcessExitedException

from k15.config import ConfigError
from k15.folders import UNFINISHED
from k15.runs import checkpoint_parts
from k15.runs.checkpoint_io import SealedCheckpoints
from k15.runs.checkpoints import fault, name_of
from tests.runs.test_checkpoint_io import disk  # noqa: F401
from tests.two_ranks import on_two

NAME = name_of(3)
FILES = [".metadata", "__0_0.distcp", "__1_0.distcp", "meta.pt", "sums"]


def state(rows: int = 5) -> dict[str, Any]:
    """A matrix of which each rank has some rows, and numbers that both have."""
    whole = torch.arange(2.0 * rows).reshape(rows, 2)
    moments = {0: {"step": torch.tensor(7.0), "exp_avg": spread(-whole)}}
    return {
        "epoch": 3,
        "state_dict": {"weight": spread(whole), "bias": torch.ones(3)},
        "optimizer_states": [{"state": moments, "param_groups": [{"lr": 0.5}]}],
    }


def spread(whole: Tensor) -> Tensor:
    return distribute_tensor(whole, init_device_mesh("cpu", (2,)), [Shard(0)])


def save(file: Path, rows: int = 5) -> str:
    try:
        SealedCheckpoints().save_checkpoint(state(rows), file)
    except ConfigError as error:
        return str(error)
    return ""


def killed_before_sums(file: Path) -> None:
    """Rank 0 dies when all parts are written."""

    def dies(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    checkpoint_parts.seal = dies
    save(file)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written twice, the second time in the place of a larger one."""
    file = tmp_path_factory.mktemp("parts") / NAME
    assert on_two(save, file, 50) == on_two(save, file) == ["", ""]
    return file


def test_one_process_reads_what_two_have_written(saved: Path) -> None:
    found = SealedCheckpoints().load_checkpoint(saved)
    expected = torch.arange(10.0).reshape(5, 2)
    (optimizer,) = found.pop("optimizer_states")
    assert found["epoch"] == 3 and found.keys() == {"epoch", "state_dict"}
    assert torch.equal(found["state_dict"]["weight"], expected)
    assert found["state_dict"]["bias"].tolist() == [1.0, 1.0, 1.0]
    assert torch.equal(optimizer["state"][0]["exp_avg"], -expected)
    assert optimizer["state"][0]["step"] == 7.0 and optimizer["param_groups"] == [{"lr": 0.5}]
    assert [path.name for path in saved.parent.iterdir()] == [NAME]


@pytest.fixture
def content(saved: Path) -> Iterator[dict[str, bytes]]:
    """Put back behind the test."""
    found = {path.name: path.read_bytes() for path in saved.iterdir()}
    yield found
    for name, text in found.items():
        (saved / name).write_bytes(text)


def test_every_file_counts(saved: Path, content: dict[str, bytes]) -> None:
    """A flipped bit in the middle, a missing byte at the end, no file at all."""
    assert fault(saved) == "" and sorted(content) == FILES
    for name, text in content.items():
        middle = len(text) // 2
        flipped = text[:middle] + bytes([text[middle] ^ 1]) + text[middle + 1 :]
        for damaged in (flipped, text[:-1]):
            (saved / name).write_bytes(damaged)
            assert name in fault(saved), name
        (saved / name).unlink()
        assert "is torn" in fault(saved) and name in fault(saved)
        (saved / name).write_bytes(text)
    assert fault(saved) == ""


def test_ranks_that_are_killed_leave_the_checkpoint_before(saved: Path) -> None:
    with pytest.raises(ProcessExitedException, match="SIGKILL"):
        on_two(killed_before_sums, saved.with_name(name_of(4)))
    assert sorted(path.name for path in saved.parent.iterdir()) == [
        f".{name_of(4)}{UNFINISHED}",
        NAME,
    ]
    assert on_two(save, saved.with_name(name_of(4))) == ["", ""]
    assert fault(saved.with_name(name_of(4))) == fault(saved) == ""
    assert not any(saved.parent.glob(f"*{UNFINISHED}"))


def test_a_full_disk_is_one_line(disk: Path) -> None:  # noqa: F811
    for error in on_two(save, disk / NAME, 200_000):
        assert f"{NAME} cannot be written: the disk is full" in error
    assert not (disk / NAME).exists()
