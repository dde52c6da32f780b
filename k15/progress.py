"""Progress of long phases, and a word on what is waited for when nothing moves."""

from __future__ import annotations

import itertools
import logging
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from tqdm import tqdm

logger = logging.getLogger(__name__)


@cache
def say_once(line: str) -> None:
    """Print a line, once in this process: each stage builds the same parts."""
    print(line, flush=True)


@dataclass(slots=True)
class Wait:
    """One wait, and when to speak of it next."""

    say: Callable[[], str]
    tell: Callable[[str], None]
    since: float
    due: float


class Heartbeat:
    """Says what has been waited for, or how far something is, every `seconds` of it.

    One thread watches all waits of the process, so that a wait costs next to nothing.
    """

    def __init__(self, seconds: float = 30.0) -> None:
        self.seconds = seconds
        self._waits: dict[int, Wait] = {}
        self._numbers = itertools.count()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def waiting_for(self, what: str) -> AbstractContextManager[None]:
        """A wait; what it is for is said in the log if it takes long."""
        return self.telling(lambda: f"waiting for {what}", logger.warning)

    @contextmanager
    def telling(self, say: Callable[[], str], tell: Callable[[str], None]) -> Iterator[None]:
        """Something that may take long; `tell` gets what there is to `say` of it by then."""
        self._start()
        number, now = next(self._numbers), time.monotonic()
        self._waits[number] = Wait(say, tell, now, now + self.seconds)
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
                    wait.tell(f"{wait.say()}, {now - wait.since:.0f} s so far")
                    wait.due = now + self.seconds


heartbeat = Heartbeat()
waiting_for = heartbeat.waiting_for


class Lines:
    """Progress where there is no terminal: a line of standard error every now and then, also when
    nothing moves.
    """

    def __init__(self, name: str, total: int, unit: str, *, pulse: Heartbeat = heartbeat) -> None:
        self.name, self.total, self.unit = name, total, unit
        self.done = 0
        self._telling = pulse.telling(self._say, partial(print, file=sys.stderr, flush=True))

    def update(self, n: int = 1) -> None:
        """So many more are done."""
        self.done += n

    def __enter__(self) -> Lines:
        self._telling.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._telling.__exit__(*error)

    def _say(self) -> str:
        return f"{self.name}: {self.done:,} of {self.total:,}{self.unit}"


def phase(name: str, total: int, unit: str) -> tqdm | Lines:
    """Progress of one phase of an iteration; a context manager with `update(n)`.

    A bar on a terminal; elsewhere a line every 30 seconds.
    """
    if not sys.stderr.isatty():
        return Lines(name, total, unit)
    return tqdm(total=total, desc=name, unit=unit, leave=False, mininterval=0.5)


def quiet() -> None:
    """Leave out what libraries say of things that are as they should be here."""
    logging.getLogger("lightning.pytorch.utilities.rank_zero").setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",  # batches are collected or made in this process
        ".*IterableDataset.*has `__len__` defined.*",  # on purpose: see k15.datamodules.rl
        ".*overridden `transfer_batch_to_device`.*",  # batches are plain data
        ".*number of training batches.*smaller than the logging interval.*",
        ".*your dataloader is not resumable.*",  # it is: see k15.datamodules.loader
        ".*It is recommended to use `self.log.*sync_dist=True.*",  # all ranks log the same
        ".*isinstance\\(treespec, LeafSpec\\).*",
    ):
        warnings.filterwarnings("ignore", message)
