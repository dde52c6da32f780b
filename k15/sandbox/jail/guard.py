"""The trusted process around one program: builds its jail, watches it, ends everything of it.

Process 1 of the program's pid namespace: when it ends, the kernel ends all the others. Talks with
the sandbox over a channel: gets the job, sends the report, or {"broken": why}. The end of the
channel ends the program.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import socket
import time
import traceback
from collections.abc import Iterator
from typing import Any, NamedTuple

from . import files, guest, kernel, root, wire

TICK_SECONDS = 0.01
_CLOCK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class _Process(NamedTuple):
    pid: int
    parent: int
    own_cpu: float
    waited_cpu: float
    resident: int
    start: str


def main(zygote: socket.socket, options: dict[str, Any]) -> int:
    """Make ready, wait for a program, see it through; returns 0, or 1 where there was none."""
    if options["namespaces"]:
        map_ids(root.USER, root.USER, outer=(os.geteuid(), os.getegid()))
        root.mount_proc()
    else:
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    _, descriptors, _, _ = socket.recv_fds(zygote, 1, 4)
    zygote.close()
    if not descriptors:
        return 1
    channel = socket.socket(fileno=descriptors[0])
    try:
        job, contents = wire.receive(channel)
        report, products = _run(job, contents, descriptors[1:], channel, options)
        wire.send(channel, report, products)
    except files.Unfit as reason:
        wire.send(channel, {"unfit": str(reason)})
    except (EOFError, BrokenPipeError):
        pass  # nobody waits for the report any more
    except Exception:  # whatever it was, the sandbox has to hear that it was not the program
        wire.send(channel, {"broken": traceback.format_exc()})
    return 0


def map_ids(user: int, group: int, *, outer: tuple[int, int]) -> None:
    """Name this process's ids in its new user namespace."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # else /proc/self belongs to root
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {outer[0]} 1"),
        ("gid_map", f"{group} {outer[1]} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def _run(
    job: dict[str, Any],
    contents: list[bytes],
    stdio: list[int],
    channel: socket.socket,
    options: dict[str, Any],
) -> tuple[dict[str, Any], list[bytes]]:
    with _box(job, options) as box:
        work = root.make_box(box, options["inner"])
        files.write_files(work, job["files"], contents, limited=options["namespaces"])
        kernel.drop_capabilities()
        program = os.fork()
        if program == 0:
            try:
                guest.main(job, stdio, box, options)
            finally:
                os._exit(127)
        for descriptor in stdio:
            os.close(descriptor)
        report = _watch(program, job, channel, everything=options["namespaces"])
        products = list(files.collect(work, job["disk_bytes"])) if job["collect"] else []
        report["products"] = [(name, executable) for name, executable, _ in products]
        return report, [content for *_, content in products]


@contextlib.contextmanager
def _box(job: dict[str, Any], options: dict[str, Any]) -> Iterator[str]:
    """The folder that the program may write in; without namespaces, one of the host's."""
    if options["namespaces"]:
        root.mount_box(job["disk_bytes"])
        yield root.BOX
        return
    box = f"{options['box']}/{os.getpid()}"
    os.mkdir(box, 0o700)
    try:
        yield box
    finally:
        os.chmod(options["box"], 0o700)  # Landlock lets the program's user change that
        files.empty(box)
        os.rmdir(box)


def _watch(
    program: int, job: dict[str, Any], channel: socket.socket, *, everything: bool
) -> dict[str, Any]:
    """Wait for the program's end, or end it at a limit; then end what it left running."""
    begin = time.monotonic()
    poll = select.poll()
    ended = os.pidfd_open(program)
    poll.register(ended, select.POLLIN)
    poll.register(channel, select.POLLIN)
    usage = _Usage(everything)
    cause = ""
    status = None
    while status is None and not cause:
        events = poll.poll(TICK_SECONDS * 1000)
        status = _reap(program)
        if any(descriptor == channel.fileno() for descriptor, _ in events):
            cause = "told"
        elif status is None:
            cause = usage.exceeded(job)
    wall = time.monotonic() - begin
    status = _end_all(program, status, everything=everything)
    cpu = max(_waited_cpu(), usage.cpu)
    if cpu > job["cpu_seconds"] and not cause:
        cause = "cpu"
    return {
        "exit": os.waitstatus_to_exitcode(status),
        "cause": cause,
        "cpu_seconds": cpu,
        "wall_seconds": wall,
        "memory_bytes": max(usage.memory, guest.peak_bytes()),
    }


class _Usage:
    """What all processes of the program together have used, as far as could be seen."""

    def __init__(self, everything: bool) -> None:
        self.cpu = 0.0
        self.memory = 0
        self._everything = everything

    def exceeded(self, job: dict[str, Any]) -> str:
        """Look; returns the cause to end the program for, or nothing."""
        processes = list(_processes(self._everything))
        # every process that has ended is waited for: see `seccomp.WAITED_FOR`
        known = _waited_cpu() + sum(p.own_cpu + p.waited_cpu for p in processes)
        self.cpu = max(self.cpu, known)
        resident = sum(p.resident for p in processes)
        if resident > job["memory_bytes"]:
            resident = sum(_proportional_memory(p) for p in processes)
        self.memory = max(self.memory, resident)
        if self.cpu > job["cpu_seconds"]:
            return "cpu"
        if len(processes) > job["processes"]:  # where the kernel's count has some room
            return "processes"
        return "memory" if resident > job["memory_bytes"] else ""


def _processes(everything: bool) -> Iterator[_Process]:
    """The program's processes: all but this one, or only this one's descendants."""
    this = os.getpid()
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != this:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found.append(_read_process(int(entry)))
    if everything:
        yield from found
        return
    family = {this}
    while more := [p for p in found if p.parent in family and p.pid not in family]:
        family.update(p.pid for p in more)
        yield from more


def _read_process(pid: int) -> _Process:
    with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
        fields = file.read().rpartition(b")")[2].split()  # from field 3 of proc(5) on
    own, waited = (sum(map(int, fields[at : at + 2])) / _CLOCK for at in (11, 13))
    resident = int(fields[21]) * _PAGE
    return _Process(pid, int(fields[1]), own, waited, resident, fields[19].decode())


def _proportional_memory(process: _Process) -> int:
    """Resident bytes, where a page that n processes share counts 1/n."""
    try:
        with open(f"/proc/{process.pid}/smaps_rollup") as file:
            lines = dict(line.split(":") for line in file if line.startswith("Pss:"))
        return int(lines["Pss"].split()[0]) * 1024
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return 0  # it has just ended
    except PermissionError:
        return process.resident


def _reap(program: int) -> int | None:
    """Wait for every process that has ended; the program's own status if it is among them."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == program:
                status = ended[1]
    return status


def _end_all(program: int, status: int | None, *, everything: bool) -> int:
    """Kill and wait for all processes that are left; returns the program's status."""
    found = {program: status} if status is not None else {}
    if everything:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                found.update([os.waitpid(-1, 0)])
    else:
        found.update(end_descendants())
    return found[program]


def end_descendants() -> dict[int, int]:
    """Kill and wait for all that descend from this process, a subreaper; pid and status of each.

    They are stopped first: a stopped process does not fork, and keeps the place in the limit on
    processes that a running one would need for that.
    """
    stopped: set[tuple[int, str]] = set()
    while running := {(p.pid, p.start) for p in _processes(everything=False)} - stopped:
        for pid, _ in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        stopped |= running
    for pid, _ in stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    found: dict[int, int] = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            found.update([os.waitpid(-1, 0)])
    return found


def _waited_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
