"""What a run may not leave behind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def processes(mark: str) -> list[int]:
    """Those whose command line or environment has `mark`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            if mark.encode() in command and int(folder.name) != os.getpid():
                found.append(int(folder.name))
    return found


def memory(of: list[int]) -> Iterator[str]:
    """Pieces of weights that these processes have open."""
    for process in of:
        for file in Path(f"/proc/{process}/fd").glob("*"):
            with suppress(OSError):
                if "k15-weights" in os.readlink(file):
                    yield str(file)


def gone(mark: str, seconds: float = 20.0) -> bool:
    """Whether all of them end within so long."""
    until = time.monotonic() + seconds
    while processes(mark):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
