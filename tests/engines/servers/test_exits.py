"""However a trainer ends, its servers and their memory end with it."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from tests.engines.servers.leftovers import gone, memory, processes

WAYS = {
    "normal": None,
    "exception": None,
    "ctrl-c": signal.SIGINT,
    "told to": signal.SIGTERM,
    "killed": signal.SIGKILL,
    "killed with a stopped server": signal.SIGKILL,
}


@pytest.mark.slow
def test_nothing_is_left_at_any_end(tmp_path: Path) -> None:
    mark = secrets.token_hex(8)
    folders = {*Path(tempfile.gettempdir()).glob("k15-servers-*")}
    command = [sys.executable, "-m", "tests.engines.servers.trainer", str(tmp_path), mark, *WAYS]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as parent:
        until = time.monotonic() + 120
        while len([way for way in WAYS if (tmp_path / way).exists()]) < len(WAYS):
            assert parent.poll() is None and time.monotonic() < until
            time.sleep(0.1)
        assert [*memory(processes(mark))]  # so that it would be seen
        for way, number in WAYS.items():
            trainer, server = map(int, (tmp_path / way).read_text().split())
            if way.endswith("stopped server"):
                os.kill(server, signal.SIGSTOP)
            if number is not None:
                os.kill(trainer, number)
        parent.wait(150)
    assert gone(mark)
    assert not [*memory(processes("k15"))]
    until = time.monotonic() + 20
    while left := {*Path(tempfile.gettempdir()).glob("k15-servers-*")} - folders:
        assert time.monotonic() < until, left
        time.sleep(0.1)
