"""This side of crun: the keeper that all containers belong to, and one container at a time."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from k15.sandbox.cgroups import Group, Layout, is_abandoned
from k15.sandbox.crun_bundle import config
from k15.sandbox.images import Image
from k15.sandbox.jail import wire
from k15.sandbox.jail_process import END_SECONDS, START_SECONDS, JailBroken, JailProcess
from k15.sandbox.jailer import Jail, Job, ProgramRun, Report, interpreter
from k15.sandbox.protocol import Limits

JAIL = "/k15/jail"
_BOOT = (
    "import sys; sys.path.insert(0, '/k15'); from jail.container import main;"
    " del sys.path[0]; main()"
)
INODES = 16384


class Keeper:
    """The process that owns the mounts, and that outlives this one just to clean up."""

    def __init__(
        self, crun: str, flags: Sequence[str], layout: Layout, session: str, names: list[str]
    ) -> None:
        """Raises JailBroken with what it said if it does not come up."""
        for folder in filter(is_abandoned, Path(tempfile.gettempdir()).glob("k15-*")):
            shutil.rmtree(folder, ignore_errors=True)
        self.base = Path(tempfile.mkdtemp(prefix=f"{session}-"))
        (self.base / "run").mkdir()
        (self.base / "image").mkdir()
        self.base.chmod(0o755)
        self.groups = [Group(layout, f"{session}/{name}") for name in names]
        for group in self.groups:
            group.make()
        Group(layout, session).weigh(len(names))
        folders = [str(f) for g in (*self.groups, Group(layout, session)) for f in g.folders]
        options = {
            "base": str(self.base),
            "groups": folders,
            "hidden": [str(tree) for tree in layout.unused],
            "crun": crun,
            "flags": list(flags),
        }
        name = "keeper of the containers"
        self._process = JailProcess("keeper", options, python=interpreter(), name=name)

    @property
    def pid(self) -> int:
        return self._process.pid

    def lend(self, request: dict[str, Any]) -> tuple[socket.socket, socket.socket]:
        """Start a container: its lease and its channel."""
        lease, their_lease = socket.socketpair()
        channel, their_channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with their_lease, their_channel:
            socket.send_fds(
                self._process.channel, [b"c"], [their_lease.fileno(), their_channel.fileno()]
            )
        wire.send(lease, request)
        return lease, channel

    def close(self) -> str:
        """End all containers, remove their groups and folders; what it wrote to stderr."""
        said = self._process.close()
        shutil.rmtree(self.base, ignore_errors=True)  # it is there if the keeper had to be killed
        return said


class Container(Jail):
    """One container with its warm interpreter. Not for several threads at once."""

    def __init__(
        self,
        keeper: Keeper,
        image: Image,
        name: str,
        cpus: float,
        release: Callable[[Group], None],
        group: Group,
    ) -> None:
        """Raises JailBroken with what crun said if it does not start."""
        self._group, self._cpus, self._release = group, cpus, release
        self._disk_bytes = Limits().disk_mib << 20
        self.programs = 0
        jail = str(Path(__file__).parent / "jail")
        command = [image.python, "-P", "-s", "-S", "-c", _BOOT]
        group.limit(memory_bytes=1 << 30, processes=64, cpus=os.cpu_count() or 1)
        request = {
            "name": name,
            "image": str(image.folder),
            "closed": image.closed,
            "config": config(command, {**image.binds, JAIL: jail}),
            "entrances": group.entrances,
            "disk_bytes": self._disk_bytes,
            "inodes": INODES,
        }
        try:
            self._lease, self._channel = keeper.lend(request)
        except OSError as error:
            release(group)
            raise JailBroken(f"the keeper of the containers is gone: {error}") from error
        try:
            self._greet()
        except OSError as error:
            self.close()
            raise JailBroken(f"the container did not start ({error}): {self.log}") from error
        self._idle_bytes = group.memory_bytes()

    def _greet(self) -> None:
        self._lease.settimeout(START_SECONDS)
        self._channel.settimeout(START_SECONDS)
        counters = self._group.open_counters()
        try:
            socket.send_fds(self._channel, [b"g"], counters)
        finally:
            for counter in counters:
                os.close(counter)
        if self._channel.recv(16) != b"ready":
            raise ConnectionResetError("process 1 ended")

    def run(self, job: Job, stdin: bytes) -> Report:
        """Run one program to its end.

        Raises JailBroken if that says nothing about the program; the container has to be closed
        then.
        """
        self.programs += 1
        limits = job.limits
        try:
            self._resize(limits.disk_mib << 20)
            self._group.limit(
                memory_bytes=self._idle_bytes + (limits.memory_mib + limits.disk_mib << 20),
                processes=limits.processes + 1,  # process 1
                cpus=self._cpus,
            )
        except (OSError, RuntimeError, EOFError) as error:
            raise JailBroken(f"the container's limits could not be set: {error}") from error
        with ExitStack() as stack:
            return ProgramRun(self._channel, job, stdin, stack).finish()

    def _resize(self, disk_bytes: int) -> None:
        if disk_bytes != self._disk_bytes:
            wire.send(self._lease, {"disk_bytes": disk_bytes, "inodes": INODES})
            wire.receive(self._lease)
            self._disk_bytes = disk_bytes

    def close(self) -> None:
        """End it, and wait until nothing of it is left; `log` is what it wrote to stderr."""
        self._channel.close()
        self.log = "the keeper of the containers is gone"
        with self._lease as lease, suppress(OSError, EOFError):
            lease.settimeout(END_SECONDS)
            lease.shutdown(socket.SHUT_WR)
            self.log = wire.receive(lease)[0]["said"]
        self._release(self._group)
