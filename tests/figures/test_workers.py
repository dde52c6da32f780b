"""A figure that is ended leaves no process behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "k15.figures", "fig9", "--seeds", "11", "--outputs"]


def processes_of(session: int) -> list[int]:
    """Those that run in a session; what is dead and not yet collected is none."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, *fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended since
        if int(fields[2]) == session and state != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_figure_that_is_ended_takes_its_runs_along(number: int, tmp_path: Path) -> None:
    """The signal goes to the command alone, while its first run is under way."""
    with subprocess.Popen(
        [*COMMAND, str(tmp_path)],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # jobs in a shell's background ignore it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as command:
        try:
            wait_for(lambda: [*tmp_path.glob("figures/runs/*/output.log")])
            assert len(processes_of(command.pid)) > 1
            command.send_signal(number)
            status = command.wait(timeout=600)
            wait_for(lambda: not processes_of(command.pid))
        finally:
            for left in processes_of(command.pid):
                os.kill(left, signal.SIGKILL)
    assert status in {128 + number, -number}


def wait_for(happened) -> None:
    """Or fail after ten minutes."""
    until = time.monotonic() + 600
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.1)
