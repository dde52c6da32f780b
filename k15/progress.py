"""Progress of long phases: a bar with a rate on a terminal, silence in a log file."""

import sys

from tqdm import tqdm


def phase(name: str, total: int, unit: str) -> tqdm:
    """A bar for one phase of an iteration; a context manager with `update(n)`."""
    return tqdm(
        total=total,
        desc=name,
        unit=unit,
        leave=False,
        disable=not sys.stderr.isatty(),
        mininterval=0.5,
    )
