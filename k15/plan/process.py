"""What a process has in main memory beside tensors: the interpreter, torch, and what a training
imports.

    python -m k15.plan.process k15.modules.rl.RLModule ...    bytes with these imported
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from omegaconf import DictConfig, OmegaConf

LONGEST = 300.0  # seconds that imports are waited for
FIRST_USE = 0.09 * 2**30
"""Bytes that libraries load, and the allocator keeps, when a model first computes: what
the built-in model's RL had above imports and tensors (docs/scale.md)."""


def process_bytes(config: DictConfig) -> float:
    """Of a process that trains what the configuration says, measured in one that imports it."""
    names = sorted(set(targets(OmegaConf.to_container(config))))
    command = [sys.executable, "-m", "k15.plan.process", *names]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=LONGEST)
    return int(done.stdout.split()[-1]) + FIRST_USE


def targets(node: Any) -> Iterator[str]:
    """All that a configuration builds."""
    if isinstance(node, dict):
        if isinstance(name := node.get("_target_"), str):
            yield name
        node = list(node.values())
    if isinstance(node, list):
        for inner in node:
            yield from targets(inner)


def main(names: Sequence[str]) -> None:
    """Import and print."""
    for name in names:
        with suppress(ImportError):  # what is not installed is not loaded
            resolve_name(name)
    print(own_peak())


def own_peak() -> int:
    """Bytes of this process at its peak. What getrusage says of it, Linux takes over from the one
    that has started it.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        from k15.callbacks.memory import resident

        return resident()
    found = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
    return int(found.split()[1]) * 1024


if __name__ == "__main__":
    main(sys.argv[1:])
