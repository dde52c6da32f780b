"""What can be told of the processes of this machine: where one is, and whether it lives."""

from __future__ import annotations

import os
import sys
import sysconfig
import traceback
from functools import cache
from pathlib import Path

PACKAGE = str(Path(__file__).parents[1])
LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})
OWN, INNERMOST = 8, 3
"""Places in the program beside its start, and behind them in libraries, that are shown."""


def position(thread: int) -> str:
    """Where a thread of this process is, as a traceback shows it: the places in k15 and in what its
    user wrote, and the innermost ones, whatever they are.
    """
    frame = sys._current_frames().get(thread)
    stack = [] if frame is None else list(traceback.extract_stack(frame))
    outer, inner = stack[:-INNERMOST], stack[-INNERMOST:]
    own = [place for place in outer if is_own(place.filename)]
    return "".join(traceback.format_list([*own[:1], *own[1:][-OWN:], *inner]))


def is_own(file: str) -> bool:
    """Whether it is no library's."""
    return file.startswith(PACKAGE) or not file.startswith((*LIBRARIES, "<"))


@cache
def kernel() -> str:
    """Name of the system, and of the namespace, in which this process has its number; empty where
    none is known.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def is_dead(process: int) -> bool:
    """Whether a process of this kernel has ended, also if nobody has asked for its status yet."""
    return state(process) in ("", "Z", "X")


def is_stopped(process: int) -> bool:
    """Whether it has been stopped (SIGSTOP), and so hears no other signal than the deadly one."""
    return state(process) == "T"


def state(process: int) -> str:
    """As proc(5) abbreviates it: empty if there is no such process, "?" if it cannot be known."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "" if kernel() else "?"
    except OSError:
        return "?"
