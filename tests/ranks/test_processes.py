"""What is told of a process: whether it lives, and where in its program it is."""

import os
import signal
import subprocess
import sys
import threading
import time

from k15.ranks.processes import is_dead, is_stopped, position


def wait_until(holds) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_living_stopped_and_dead() -> None:
    """A dead one whose status nobody has asked for is still in the list of processes."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    assert not is_dead(child.pid) and not is_stopped(child.pid)
    os.kill(child.pid, signal.SIGSTOP)
    wait_until(lambda: is_stopped(child.pid))
    assert not is_dead(child.pid)
    child.kill()
    wait_until(lambda: is_dead(child.pid))
    child.wait()
    assert is_dead(child.pid)


def test_a_position_shows_the_program_whatever_stands_around_it() -> None:
    """Deep in a library: places in the program, and the innermost ones."""
    waiting, done = threading.Event(), threading.Event()

    def in_the_program() -> None:
        waiting.set()
        done.wait()

    thread = threading.Thread(target=in_the_program)
    thread.start()
    waiting.wait()
    found = position(thread.ident)
    done.set()
    thread.join()
    assert "in in_the_program" in found and "test_processes.py" in found
    assert "done.wait()" in found and "in wait" in found
    assert position(0) == ""
