"""This side of a jail: its zygote's life, and one program at a time in it.

The program's stdin is a memory file, its stdout and stderr are pipes that are read while it runs;
the limit on output and on wall-clock time are kept here, all others by the guard in the jail.
"""

from __future__ import annotations

import os
import select
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Self

from k15.sandbox.jail import wire
from k15.sandbox.jail_process import END_SECONDS, START_SECONDS, JailBroken, JailProcess
from k15.sandbox.languages import OUT_OF_MEMORY
from k15.sandbox.protocol import Cause, Limits, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file in the working directory of a job."""

    content: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One process to be run in a jail."""

    command: tuple[str, ...] = ()
    """Empty: Python source, run by the zygote's own interpreter."""
    source: str = ""
    arguments: tuple[str, ...] = ()
    files: Mapping[str, File]
    environment: Mapping[str, str]
    reserve_mib: int = 0
    limits: Limits
    collect: bool = False
    """Bring back the files that it leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    outcome: Outcome
    files: dict[str, File] = field(default_factory=dict)


class Jail:
    """One zygote. Not for several threads at once."""

    def __init__(self, python: str, folders: Sequence[str], *, namespaces: bool) -> None:
        """Start the zygote; raises JailBroken with what it said if it does not come up.

        Args:
            python: its interpreter, not a virtual environment's link to one.
            folders: of this machine that programs may read, besides the system's.
            namespaces: whether programs get their own; see `LocalSandbox`.
        """
        options = {
            "namespaces": namespaces,
            "folders": list(folders),
            "temporary": tempfile.gettempdir(),
        }
        self._keeper = JailProcess("zygote", options, python=python, name="zygote")
        self._channel = self._keeper.channel

    def run(self, job: Job, stdin: bytes) -> Report:
        """Run one program to its end.

        Raises JailBroken if that says nothing about the program; the jail has to be closed then.
        """
        with ExitStack() as stack:
            return ProgramRun(self._channel, job, stdin, stack).finish()

    def close(self) -> None:
        """End everything in it, and wait until it has ended."""
        self._keeper.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def interpreter() -> str:
    """The real one, not a virtual environment's link to it: that is what the jail can see."""
    return os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]


class ProgramRun:
    """One program's way through the jail; whatever ends it early ends the program."""

    def __init__(self, zygote: socket.socket, job: Job, stdin: bytes, stack: ExitStack) -> None:
        self._limits = job.limits
        self._channel, theirs = socket.socketpair()
        stack.enter_context(self._channel)
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        given = _memory_file(stdin)
        for end in (out_end, err_end):
            os.fchmod(end, 0o666)  # programs are other users, and may write to /dev/stdout by name
        self._streams = {out: bytearray(), err: bytearray()}
        for descriptor in self._streams:
            os.set_blocking(descriptor, False)
            stack.callback(os.close, descriptor)
        try:
            socket.send_fds(zygote, [b"j"], [theirs.fileno(), given, out_end, err_end])
            self._channel.settimeout(START_SECONDS)
            theirs.close()  # so that the channel ends with the guard
            wire.send(self._channel, _describe(job), [f.content for f in job.files.values()])
        except OSError as error:
            raise JailBroken(f"the zygote takes no program: {error}") from error
        finally:
            theirs.close()
            for descriptor in (given, out_end, err_end):
                os.close(descriptor)

    def finish(self) -> Report:
        """Read until the guard reports; end the program at the limits that are kept here."""
        cause: Cause | None = None
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        for descriptor in self._streams:
            poll.register(descriptor, select.POLLIN)
        deadline = time.monotonic() + self._limits.wall_seconds
        while True:
            left = deadline - time.monotonic()
            ready = [descriptor for descriptor, _ in poll.poll(max(0, left) * 1000)]
            for descriptor in ready:
                if descriptor in self._streams and not self._read(descriptor):
                    poll.unregister(descriptor)
            if self._channel.fileno() in ready:
                return self._report(cause)
            if cause is None:
                cause = self._exceeded(left)
                if cause:
                    self._channel.shutdown(socket.SHUT_WR)  # the guard ends the program
                    deadline = time.monotonic() + END_SECONDS
            elif left < 0:
                raise JailBroken(f"the jail did not end a program in {END_SECONDS:.0f} s")

    def _exceeded(self, left: float) -> Cause | None:
        if any(len(data) > self._limits.output_bytes for data in self._streams.values()):
            return "output"
        return "wall" if left < 0 else None

    def _read(self, descriptor: int) -> bool:
        """Take what there is, and keep what may be kept; False at the end of the stream."""
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return True
        kept = self._streams[descriptor]
        kept += data[: self._limits.output_bytes + 1 - len(kept)]
        return bool(data)

    def _report(self, cause: Cause | None) -> Report:
        try:
            self._channel.settimeout(END_SECONDS)
            fields, contents = wire.receive(self._channel)
        except (EOFError, OSError) as error:
            raise JailBroken(f"the guard of a program died: {error}") from error
        if "broken" in fields:
            raise JailBroken(f"a program could not be run: {fields['broken']}")
        if "unfit" in fields:
            return Report(outcome=Outcome(cause="crash", detail=f"its files: {fields['unfit']}"))
        for descriptor in self._streams:  # all writers have ended: what is left is in the pipe
            while len(self._streams[descriptor]) <= self._limits.output_bytes:
                before = len(self._streams[descriptor])
                if not self._read(descriptor) or len(self._streams[descriptor]) == before:
                    break
        return self._judge(cause, fields, contents)

    def _judge(self, cause: Cause | None, fields: dict[str, Any], contents: list[bytes]) -> Report:
        stdout, stderr = (bytes(data) for data in self._streams.values())
        most = self._limits.output_bytes
        if cause is None and max(len(stdout), len(stderr)) > most:
            cause = "output"
        if cause is None and fields["cause"] in ("cpu", "memory"):
            cause = fields["cause"]
        if cause is None and fields["exit"] != 0 and OUT_OF_MEMORY.search(stderr[-10_000:]):
            cause = "memory"
        outcome = Outcome(
            cause=cause or ("ok" if fields["exit"] == 0 else "crash"),
            stdout=stdout[:most],
            stderr=stderr[:most],
            exit=fields["exit"],
            cpu_seconds=fields["cpu_seconds"],
            wall_seconds=fields["wall_seconds"],
            memory_mib=fields["memory_bytes"] / 2**20,
            detail="it started too many processes" if fields["cause"] == "processes" else "",
        )
        products = zip(fields["products"], contents, strict=True)
        files = {name: File(content=data, executable=flag) for (name, flag), data in products}
        return Report(outcome=outcome, files=files)


def _describe(job: Job) -> dict[str, Any]:
    limits = job.limits
    memory = limits.memory_mib << 20
    return {
        "command": job.command,
        "source": job.source,
        "arguments": job.arguments,
        "files": [(name, file.executable) for name, file in job.files.items()],
        "environment": dict(job.environment),
        "cpu_seconds": limits.cpu_seconds,
        "memory_bytes": memory,
        # one process can ask for a little more than all together may fill
        "address_space_bytes": memory + (job.reserve_mib + 256 << 20),
        "disk_bytes": limits.disk_mib << 20,
        "processes": limits.processes,
        "collect": job.collect,
    }


def _memory_file(content: bytes) -> int:
    """A descriptor of a file with `content`, to be read from the beginning."""
    descriptor = os.memfd_create("stdin")
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
