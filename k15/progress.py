"""Progress of long phases, and a word on what is waited for when nothing moves."""

from __future__ import annotations

import itertools
import logging
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

from tqdm import tqdm

logger = logging.getLogger(__name__)


def phase(name: str, total: int, unit: str) -> tqdm:
    """A bar for one phase of an iteration; a context manager with `update(n)`.

    On a terminal only: a log file gets nothing.
    """
    return tqdm(
        total=total,
        desc=name,
        unit=unit,
        leave=False,
        disable=not sys.stderr.isatty(),
        mininterval=0.5,
    )


@cache
def say_once(line: str) -> None:
    """Print a line, once in this process: each stage builds the same parts."""
    print(line, flush=True)


@dataclass(slots=True)
class Wait:
    """One wait, and when to speak of it next."""

    what: str
    since: float
    due: float


class Heartbeat:
    """Says in the log what has been waited for, every `seconds` of one wait.

    One thread watches all waits of the process, so that a wait costs next to nothing.
    """

    def __init__(self, seconds: float = 30.0) -> None:
        self.seconds = seconds
        self._waits: dict[int, Wait] = {}
        self._numbers = itertools.count()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def waiting_for(self, what: str) -> Iterator[None]:
        """A wait; what it is for is said if it takes long."""
        self._start()
        number, now = next(self._numbers), time.monotonic()
        self._waits[number] = Wait(what, now, now + self.seconds)
        try:
            yield
        finally:
            del self._waits[number]

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._watch, daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        while True:
            time.sleep(self.seconds / 4)
            now = time.monotonic()
            for wait in list(self._waits.values()):
                if now >= wait.due:
                    logger.warning("waiting for %s, %.0f s so far", wait.what, now - wait.since)
                    wait.due = now + self.seconds


waiting_for = Heartbeat().waiting_for


def quiet() -> None:
    """Leave out what libraries say of things that are as they should be here."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # batches are collected or made in this process
        ".*IterableDataset.*has `__len__` defined.*",  # on purpose: see k15.datamodules.rl
        ".*overridden `transfer_batch_to_device`.*",  # batches are plain data
        ".*number of training batches.*smaller than the logging interval.*",
        ".*your dataloader is not resumable.*",  # it is: see k15.datamodules.loader
        ".*isinstance\\(treespec, LeafSpec\\).*",
    ):
        warnings.filterwarnings("ignore", message)
