"""Control groups, made beforehand and reused: what bounds a container's memory, processes and CPU.

Kernels offer them in three layouts: v2 (one tree), v1 (a tree per controller) and hybrid (v1 trees
that do the work, beside a v2 tree that does not). The kernel's documentation: cgroup-v1/*.rst,
cgroup-v2.rst in admin-guide.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

CONTROLLERS = ("memory", "pids", "cpu", "cpuacct")
PERIOD_US = 100_000


@dataclass(frozen=True, slots=True)
class Layout:
    """Where this machine's trees are."""

    kind: Literal["v1", "hybrid", "v2"]
    trees: Mapping[str, Path]
    """By controller; in v2 the same one for all."""
    unused: tuple[Path, ...] = ()
    """v2 trees of a hybrid machine."""


def detect(mountinfo: str, controllers_v2: Mapping[str, str] | None = None) -> Layout:
    """Read the layout from the text of /proc/self/mountinfo (proc(5)).

    `controllers_v2` maps the mount point of a v2 tree to the text of its cgroup.controllers; it
    is read from there by default.

    Raises:
        RuntimeError: a controller is nowhere to be found; names it.
    """
    v1: dict[str, Path] = {}
    v2: list[Path] = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        place = Path(before.split()[4])
        if kind == "cgroup2":
            v2.append(place)
        elif kind == "cgroup":
            v1.update({c: place for c in options.split()[-1].split(",") if c in CONTROLLERS})
    if not set(CONTROLLERS) - set(v1):
        return Layout("hybrid" if v2 else "v1", v1, tuple(v2))
    for place in v2:
        found = (controllers_v2 or {}).get(str(place)) or _read(place / "cgroup.controllers")
        if {"memory", "pids", "cpu"} <= set(found.split()):
            return Layout("v2", dict.fromkeys(CONTROLLERS, place))
    missing = ", ".join(sorted(set(CONTROLLERS) - set(v1)))
    raise RuntimeError(f"sandbox=crun needs control groups; this machine has none for: {missing}")


class Group:
    """One group, in every tree that it needs. `name` is a path below the trees' roots."""

    def __init__(self, layout: Layout, name: str) -> None:
        self.layout, self.name = layout, name
        self.folders = list(dict.fromkeys(tree / name for tree in layout.trees.values()))

    def make(self) -> None:
        """Create it; in v2 also hand the controllers down to it."""
        for folder in self.folders:
            if self.layout.kind == "v2":
                tree = next(iter(self.layout.trees.values()))
                for above in reversed(folder.relative_to(tree).parents):
                    (tree / above).mkdir(exist_ok=True)
                    _write(tree / above / "cgroup.subtree_control", "+memory +pids +cpu")
            folder.mkdir(parents=True, exist_ok=True)

    def remove(self) -> None:
        """Raises OSError (EBUSY) while there are processes in it."""
        for folder in self.folders:
            with suppress(FileNotFoundError):
                folder.rmdir()

    @property
    def entrances(self) -> list[str]:
        """The files to write a process id into."""
        return [str(folder / "cgroup.procs") for folder in self.folders]

    def limit(self, *, memory_bytes: int, processes: int, cpus: float) -> None:
        if self.layout.kind == "v2":
            self._set("memory", "memory.max", memory_bytes)
            self._set_if_there("memory", "memory.swap.max", 0)
            self._set("cpu", "cpu.max", f"{int(cpus * PERIOD_US)} {PERIOD_US}")
        else:
            self._set_if_there("memory", "memory.memsw.limit_in_bytes", -1)
            self._set("memory", "memory.limit_in_bytes", memory_bytes)
            self._set_if_there("memory", "memory.memsw.limit_in_bytes", memory_bytes)
            self._set("cpu", "cpu.cfs_period_us", PERIOD_US)
            self._set("cpu", "cpu.cfs_quota_us", int(cpus * PERIOD_US))
        self._set("pids", "pids.max", processes)

    def weigh(self, processes: int) -> None:
        """Count like so many processes where others want the processor too."""
        if self.layout.kind == "v2":
            self._set("cpu", "cpu.weight", min(10_000, 100 * processes))
        else:
            self._set("cpu", "cpu.shares", 1024 * processes)

    def open_counters(self) -> tuple[int, int]:
        """Descriptors to read: CPU time used so far, and processes ended for want of memory."""
        names = ("cpuacct.usage", "memory.oom_control")
        if self.layout.kind == "v2":
            names = ("cpu.stat", "memory.events")
        places = (self.layout.trees[tree] / self.name for tree in ("cpuacct", "memory"))
        cpu, memory = (
            os.open(place / name, os.O_RDONLY | os.O_CLOEXEC)
            for place, name in zip(places, names, strict=True)
        )
        return cpu, memory

    def memory_bytes(self) -> int:
        """What its processes and the files they wrote to a tmpfs hold now."""
        name = "memory.current" if self.layout.kind == "v2" else "memory.usage_in_bytes"
        return int(_read(self.layout.trees["memory"] / self.name / name))

    def _set(self, controller: str, name: str, value: int | str) -> None:
        _write(self.layout.trees[controller] / self.name / name, str(value))

    def _set_if_there(self, controller: str, name: str, value: int) -> None:
        """Swap is only counted where the kernel was built and started to."""
        if (self.layout.trees[controller] / self.name / name).exists():
            self._set(controller, name, value)


def session_name() -> str:
    """A new group's name, from which anyone can tell whether its maker still lives."""
    return f"k15-{os.getpid()}-{_started(os.getpid())}-{secrets.token_hex(4)}"


def remove_abandoned(layout: Layout) -> None:
    """Remove the groups of makers that were killed before they could do so."""
    for tree in set(layout.trees.values()):
        for folder in filter(is_abandoned, tree.glob("k15-*")):
            for inner in [*folder.iterdir(), folder]:
                if inner.is_dir():
                    _remove_once_empty(inner)


def _remove_once_empty(folder: Path, seconds: float = 2.0) -> None:
    """Its processes may still be dying; given up after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            folder.rmdir()
        except FileNotFoundError:  # somebody else was at it
            return
        except OSError:
            time.sleep(0.02)
        else:
            return


def is_abandoned(folder: Path) -> bool:
    """Whether its name is one of `session_name` (and more), and its maker is no more."""
    maker = re.match(r"k15-(\d+)-(\d+)-[0-9a-f]{8}", folder.name)
    return maker is not None and _started(int(maker[1])) != maker[2]


def _started(pid: int) -> str:
    """When a process began, in clock ticks since boot; empty if there is none."""
    try:
        return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _read(path: Path) -> str:
    return path.read_text()


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise RuntimeError(
            f"sandbox=crun may not write {text!r} to {path} ({error.strerror}); it needs root and "
            "a control group of its own (in a service manager's scope: Delegate=yes)"
        ) from error
