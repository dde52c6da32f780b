"""Whatever happens to one of two ranks, the command ends within its deadline and says why."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("program.py")
SECONDS = 15.0  # for which a rank is waited for
ENDED = 240.0  # seconds after which a command has ended, on a busy machine, too
pytestmark = pytest.mark.slow


class Command:
    """The program, started; ended with the test at the latest."""

    def __init__(
        self, *fault: str, steps: int = 100_000, env: Mapping[str, str] | None = None
    ) -> None:
        root = str(Path(__file__).parents[2])
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root, **(env or {})}
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(SECONDS), str(steps), *fault],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ranks(self) -> dict[int, int]:
        """The ranks' processes, once they are at work; their lines may be mixed."""
        text, found = "", {}
        while len(found) < 2:
            line = self.process.stdout.readline()
            assert line, (self.process.wait(ENDED), self.process.stderr.read())
            text += line
            pairs = re.findall(r"rank (\d) is process (\d+)", text)
            found = {int(rank): int(process) for rank, process in pairs}
        return found

    def end(self) -> tuple[int, str, str]:
        """Exit status, output, errors."""
        try:
            output, errors = self.process.communicate(timeout=ENDED)
        finally:
            self.process.kill()
        return self.process.returncode, output, errors


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def test_they_decide_work_and_end_together() -> None:
    status, output, errors = Command(steps=30).end()
    assert (status, errors) == (0, "")
    assert "rank 0 is done" in output and "rank 1 is done" in output


def test_a_rank_that_raises_shows_its_traceback() -> None:
    """And only its own: the other one says because of whom it ends."""
    status, _, errors = Command("fails").end()
    assert status == 1
    assert errors.count("Traceback") == 1
    assert "in fails" in errors and "ArithmeticError: seven is no number" in errors
    assert "on rank 1 of 2" in errors
    assert "rank 0 ends, because of rank 1: ArithmeticError: seven is no number" in errors


def test_a_rank_that_does_not_come_is_found_where_it_hangs() -> None:
    status, _, errors = Command("hangs").end()
    assert status == 1
    assert "in hangs" in errors and "time.sleep(1000)" in errors


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_rank_that_is_killed_or_stopped_ends_the_others(how: int, rank: int) -> None:
    command = Command()
    processes = command.ranks()
    os.kill(processes[rank], how)
    status, _, errors = command.end()
    assert status == (137 if how == signal.SIGKILL else 1)
    assert f"because of rank {rank}: rank {rank} (process {processes[rank]} on " in errors
    assert 'program.py", line' in errors and "in main" in errors  # where it was
    assert errors.count("Traceback") == 0
    assert all(map(gone, processes.values()))


def test_a_rank_that_nobody_comes_to_hears_that_it_is_to_end() -> None:
    """As when rank 0 dies before there is a store."""
    alone = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "LOCAL_RANK": "1"}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        command = Command(env=alone | {"MASTER_PORT": str(silent.getsockname()[1])})
        silent.accept()  # it has begun to ask
        command.process.send_signal(signal.SIGTERM)
        status, _, errors = command.end()
    assert status == -signal.SIGTERM and "Traceback" not in errors


def test_told_to_end_all_of_them_do() -> None:
    command = Command()
    processes = command.ranks()
    command.process.send_signal(signal.SIGTERM)
    status, _, errors = command.end()
    assert status == 143 and "Traceback" not in errors
    assert all(map(gone, processes.values()))


def test_without_the_process_that_started_them_they_end() -> None:
    command = Command()
    processes = command.ranks()
    command.process.kill()
    until = time.monotonic() + ENDED
    while not all(map(gone, processes.values())):
        assert time.monotonic() < until
        time.sleep(0.1)
