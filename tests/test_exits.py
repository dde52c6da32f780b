"""What a user can mend is a line; everything else a traceback."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest
from lightning import Trainer

from k15.config import ConfigError, build
from k15.exits import exit_on_error
from k15.sizes import Sizes


def refused() -> None:
    Sizes(samples_per_problem=0)


def full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def forbidden() -> None:
    raise PermissionError(errno.EACCES, "Permission denied", "outputs/rl")


def gone() -> None:
    Path("/proc/k15").mkdir()


def full_in_rust() -> None:
    """As safetensors says it."""
    raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")


def misconfigured() -> None:
    Trainer(max_epochs=-7, logger=False)


def no_such_precision() -> None:
    build(
        {"_target_": "lightning.fabric.plugins.MixedPrecision", "precision": "7", "device": "cpu"}
    )


def wrong() -> None:
    raise ConfigError("a is wrong\nb is wrong")


@pytest.mark.parametrize(
    ("fault", "lines"),
    [
        (wrong, ["error: a is wrong", "error: b is wrong"]),
        (refused, ["error: sizes.samples_per_problem=0: must be at least 1"]),
        (full, ["error: writing a file: No space left on device"]),
        (forbidden, ["error: outputs/rl: Permission denied"]),
        (gone, ["error: /proc/k15: No such file or directory"]),
        (full_in_rust, ["error: writing a file: No space left on device"]),
        (
            misconfigured,
            [
                "error: `max_epochs` must be a non-negative integer or -1. You passed in -7.",
            ],
        ),
        (
            no_such_precision,
            [
                "error: Passed `MixedPrecision(precision='7')`. "
                "Precision must be '16-mixed' or 'bf16-mixed'.",
                "error: while building lightning.fabric.plugins.MixedPrecision",
            ],
        ),
    ],
)
def test_a_line_for_the_user(fault, lines, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as ended, exit_on_error():
        fault()
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines() == lines


@pytest.mark.parametrize(
    "fault",
    [
        ValueError("of another package"),
        FileNotFoundError("of nobody's disk"),
        ConnectionResetError(),
        OSError("of no kind"),
        RuntimeError("in Rust (os error 104)"),
    ],
)
def test_a_traceback_for_the_rest(fault: Exception) -> None:
    with pytest.raises(type(fault)), exit_on_error():
        raise fault


@pytest.mark.parametrize("lines", [1, 100_000])
def test_nobody_reads_the_output_any_more(lines: int) -> None:
    """Whether it fits into the pipe or not."""
    program = (
        "from k15.exits import exit_on_error\n"
        f"with exit_on_error():\n    for i in range({lines}): print(i)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 141


def test_a_broken_pipe_of_ours_is_not_hidden() -> None:
    with pytest.raises(BrokenPipeError), exit_on_error():
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
