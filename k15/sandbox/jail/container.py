"""Process 1 of a crun container: warm, it forks one program at a time and cleans up after it.

    sandbox ── channel: five descriptors per job ──► process 1 ── fork, user 1000 ── program

It is root in the container with no more rights than to change its user and to end processes;
programs are another user with none, so that they can neither end, inspect nor restrict it. Its
messages are those of `wire`, over a socket per job; that socket's end ends the job.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from . import files, guest, kernel, root, wire
from .zygote import PRELOADED

TICK_SECONDS = 0.01
WORK = f"{root.BOX}/work"
WRITABLE = (WORK, "/tmp", "/dev/shm")
"""All that a program may write to; emptied after it."""


def main() -> None:
    """Serve the socket that is stdin until its end.

    Its first message carries two descriptors of the control group's files, the answer is "ready".
    """
    channel = socket.socket(fileno=os.dup(0))
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    for name in PRELOADED.split():
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    _, (cpu, memory), _, _ = socket.recv_fds(channel, 1, 2)
    channel.sendall(b"ready")
    while True:
        _, descriptors, _, _ = socket.recv_fds(channel, 1, 4)
        if not descriptors or not _serve(channel, descriptors, Counters(cpu, memory)):
            return  # not clean: the container ends here, and the sandbox starts another


class Counters:
    """What the control group has counted since now."""

    def __init__(self, cpu: int, memory: int) -> None:
        self._cpu, self._memory = cpu, memory
        self._begin = self._read()

    def _read(self) -> tuple[float, int]:
        cpu, memory = (os.pread(file, 4096, 0).decode() for file in (self._cpu, self._memory))
        return cpu_seconds(cpu), memory_kills(memory)

    def since(self) -> tuple[float, int]:
        """CPU seconds, and processes ended at the memory limit."""
        cpu, kills = self._read()
        return cpu - self._begin[0], kills - self._begin[1]


def cpu_seconds(text: str) -> float:
    """From cpuacct.usage (v1: nanoseconds) or cpu.stat (v2)."""
    if text.strip().isdigit():
        return int(text) / 1e9
    return _field(text, "usage_usec") / 1e6


def memory_kills(text: str) -> int:
    """From memory.oom_control (v1) or memory.events (v2)."""
    return _field(text, "oom_kill")


def _field(text: str, name: str) -> int:
    return int(dict(line.split() for line in text.splitlines())[name])


def _serve(channel: socket.socket, descriptors: list[int], counters: Counters) -> bool:
    """Run one program; false if something of it is left."""
    with socket.socket(fileno=descriptors[0]) as job_channel:
        try:
            job, contents = wire.receive(job_channel)
        except EOFError:
            return True
        failed, failure = os.pipe()
        program = os.fork()
        if program == 0:
            try:
                _become(job, contents, descriptors[1:], failure)
            finally:  # nothing may come back here as process 1
                os._exit(127)
        for descriptor in (*descriptors[1:], failure):
            os.close(descriptor)
        report = _watch(program, job, job_channel, counters)
        with open(failed) as file:
            said = file.read()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if said:
                wire.send(job_channel, json.loads(said))
            elif job["collect"]:
                _as_user(lambda: _send_products(job_channel, report, job["disk_bytes"]))
            else:
                wire.send(job_channel, {**report, "products": []})
        return _as_user(_empty)


def _become(job: dict[str, Any], contents: list[bytes], stdio: list[int], failure: int) -> NoReturn:
    """In the child: the program's user, files, descriptors and limits; then the program."""
    own = [name for name in sys.modules if name.partition(".")[0] == "jail"]
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # at the memory limit it goes, not process 1
        _become_user()
        files.write_files(WORK, job["files"], contents)
        _lock_in(job, stdio, failure)
        if job["command"]:
            os.execvpe(job["command"][0], job["command"], os.environ)
    except files.Unfit as reason:
        _tell(failure, unfit=str(reason))
        raise
    except BaseException:  # of the jail or the exec: it says nothing about the program
        _tell(failure, broken=traceback.format_exc())
        raise
    os.close(failure)
    guest.run_python(job["source"], job["arguments"], own)


def _tell(failure: int, **fields: str) -> None:
    os.write(failure, json.dumps(fields).encode())


def _become_user() -> None:
    os.setgroups([])
    os.setresgid(root.USER, root.USER, root.USER)
    os.setresuid(root.USER, root.USER, root.USER)  # gives up all capabilities: capabilities(7)


def _lock_in(job: dict[str, Any], stdio: list[int], failure: int) -> None:
    os.setsid()
    for target, descriptor in enumerate(stdio):
        os.dup2(descriptor, target)
    os.closerange(3, failure)
    os.closerange(failure + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    signal.signal(signal.SIGPIPE, signal.SIG_DFL if job["command"] else signal.SIG_IGN)
    os.chdir(WORK)
    os.umask(0o022)
    os.environ.clear()
    os.environ.update(job["environment"], HOME=WORK, TMPDIR="/tmp")
    limits = {
        resource.RLIMIT_CPU: int(job["cpu_seconds"]) + 2,
        resource.RLIMIT_FSIZE: job["disk_bytes"],
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    guest.limit_stack()
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # /proc/self is its own


def _watch(
    program: int, job: dict[str, Any], channel: socket.socket, counters: Counters
) -> dict[str, Any]:
    """Wait for the program's end, or end it at a limit; then end what it left running."""
    begin = time.monotonic()
    ended: Any = os.pidfd_open(program)
    cause = ""
    ready: list[Any] = []
    while not ready and not cause:
        left = job["cpu_seconds"] - counters.since()[0]
        if left <= 0:
            cause = "cpu"
        else:  # so many processors can spend it
            pause = max(TICK_SECONDS, left / (os.cpu_count() or 1))
            ready = select.select([ended, channel], [], [], pause)[0]
    wall = time.monotonic() - begin
    os.close(ended)
    if channel in ready and ended not in ready:
        cause = "told"
    status, peak = _end_all(program)
    cpu, kills = counters.since()
    if not cause:
        cause = "memory" if kills else "cpu" if cpu > job["cpu_seconds"] else ""
    return {
        "exit": os.waitstatus_to_exitcode(status),
        "cause": cause,
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "memory_bytes": peak,
    }


def _end_all(program: int) -> tuple[int, int]:
    """End and reap everything else in the container: the program's status, greatest peak (bytes).

    One signal to all is enough: the kernel lets nobody fork between its parts.
    """
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    status, peak = 0, 0
    while True:
        try:
            pid, code, used = os.wait4(-1, 0)
        except ChildProcessError:
            return status, peak
        peak = max(peak, used.ru_maxrss * 1024)
        if pid == program:
            status = code


def _as_user(act: Callable[[], None]) -> bool:
    """Do it in a process with no more rights than the program had; whether it came to its end."""
    child = os.fork()
    if child == 0:
        try:
            _become_user()
            act()
            os._exit(0)
        except BaseException:  # process 1 draws the consequence
            traceback.print_exc()
        os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def _send_products(channel: socket.socket, report: dict[str, Any], most: int) -> None:
    found = list(files.collect(WORK, most))
    products = [(name, executable) for name, executable, _ in found]
    wire.send(channel, {**report, "products": products}, [content for *_, content in found])


def _empty() -> None:
    for folder in WRITABLE:
        files.empty(folder)
