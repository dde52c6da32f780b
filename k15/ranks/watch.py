"""Ranks that tell each other that they live, so that none waits for one that does not.

    every rank ─► beat: a number, and where its main thread is ─► store
    rank 0     ◄─ all beats;   the others ◄─ that of rank 0
    who has failed, or is missed for too long ─► store ─► all leave

The thread of a process that is stopped or dead does not beat. One that computes, or waits, does:
for those the process group's timeout is the limit, and the beat says where they are.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from k15.ranks.place import Place
from k15.ranks.start import PARENT

logger = logging.getLogger(__name__)

STARTING = 600.0
"""Seconds for a rank to be heard of at all: programs on a shared disk take their time to start."""
LEAVING = 5.0
"""Seconds that the main thread has to end by itself before the process is ended."""
FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What has ended the run."""

    rank: int
    status: int
    """Exit status for all ranks."""
    what: str
    """For the user: the error, or where the rank was last seen."""


@dataclass(slots=True)
class Seen:
    """The newest beat of a rank, and when it was new here."""

    since: float
    beat: dict[str, Any] | None = None


class Watch:
    """Beats and looks, in a thread, every `seconds / 20`, at most every second."""

    def __init__(self, place: Place, connect: Callable[[], Any], seconds: float) -> None:
        self.place, self.connect, self.seconds = place, connect, seconds
        self.period = min(1.0, seconds / 20)
        self.failure: Failure | None = None
        self.told = threading.Event()
        """Set when there is a failure."""
        ranks = range(1, place.world) if place.rank == 0 else [0]
        self._seen = {rank: Seen(time.monotonic()) for rank in ranks if rank != place.rank}
        self._done = threading.Event()
        self._main = threading.main_thread().ident
        self._threads = [threading.Thread(target=f, daemon=True) for f in (self._run, self._mind)]
        self._looked = time.monotonic()

    def start(self) -> None:
        """From now on."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """The work is done, or the process ends anyway: not before the threads have, as far as the
        store answers them, for Python cannot end while they are in it.
        """
        self._done.set()
        for thread in self._threads:
            thread.join(timeout=LEAVING)

    def cause(self, seconds: float) -> Failure | None:
        """Whose failure it was that made a wait for the others fail; None if it is nobody's else.

        A rank that was killed says nothing: it is the one that beats no longer.
        """
        if self.told.wait(seconds):
            return self.failure
        now = time.monotonic()
        missed = {r: seen for r, seen in self._seen.items() if now - seen.since > 3 * self.period}
        if not missed:
            return None
        rank = min(missed, key=lambda rank: missed[rank].since)
        return self._tell(self._gone(rank, now - missed[rank].since))

    def where(self) -> str:
        """Where the others are that are heard of, for a wait that took too long: rank 0 knows of
        all, the others of it.
        """
        beats = [(rank, seen.beat) for rank, seen in self._seen.items() if seen.beat is not None]
        return "\n".join(f"meanwhile rank {rank} was at\n{beat['where']}" for rank, beat in beats)

    def tell(self, failure: Failure) -> Failure:
        """Let all ranks know; returns the failure that was told first."""
        return self._tell(failure)

    def _tell(self, failure: Failure, store: Any = None) -> Failure:
        told = json.dumps(asdict(failure))
        try:
            if failure.rank != 0 or self.place.rank == 0:  # who keeps the store can be asked
                told = (store or self.connect()).compare_set(FAILED, "", told).decode() or told
        except Exception:
            logger.debug("the store is gone", exc_info=True)
        self.failure = self.failure or Failure(**json.loads(told))
        self.told.set()
        return self.failure

    def _run(self) -> None:
        store, number = None, 0
        while not self._done.wait(self.period):
            number += 1
            try:
                store = store or self.connect()
                failure = self._look(store, number)
            except Exception as error:
                if self._done.is_set():
                    return
                failure = self._without_store(error)
            self._looked = time.monotonic()
            if failure is not None:
                self._tell(failure, store)
                self._leave()
                return

    def _mind(self) -> None:
        """A store whose process is stopped answers nothing, not even an error."""
        while not self._done.wait(self.period):
            if time.monotonic() - self._looked > self.seconds and not self.told.is_set():
                self._tell(self._gone(0, time.monotonic() - self._looked))
                self._leave()
                return

    def _look(self, store: Any, number: int) -> Failure | None:
        """One beat, and what the others have to say."""
        store.set(f"beat/{self.place.rank}", json.dumps(self._beat(number)))
        if store.check([FAILED]):
            return Failure(**json.loads(store.get(FAILED)))
        now = time.monotonic()
        for rank, seen in self._seen.items():
            if store.check([f"beat/{rank}"]):
                beat = json.loads(store.get(f"beat/{rank}"))
                if beat != seen.beat:
                    seen.since, seen.beat = now, beat
            if now - seen.since > (self.seconds if seen.beat else max(STARTING, self.seconds)):
                return self._gone(rank, now - seen.since)
        if os.environ.get(PARENT) and os.getppid() != int(os.environ[PARENT]):
            return Failure(rank=self.place.rank, status=1, what="what has started it is gone")
        return None

    def _beat(self, number: int) -> dict[str, Any]:
        frame = sys._current_frames().get(self._main or 0)
        where = "".join(traceback.format_stack(frame)[-6:]) if frame else ""
        return {
            "number": number,
            "process": os.getpid(),
            "host": socket.gethostname(),
            "where": where,
        }

    def _gone(self, rank: int, seconds: float) -> Failure:
        beat = self._seen[rank].beat if rank in self._seen else None
        if beat is None:
            what = f"has not come within {seconds:.0f} s"
        else:
            what = (
                f"(process {beat['process']} on {beat['host']}) has given no sign of life for "
                f"{seconds:.0f} s: killed, or stopped. It was last at\n{beat['where']}"
            )
        return Failure(rank=rank, status=1, what=what)

    def _without_store(self, error: Exception) -> Failure:
        seconds = time.monotonic() - self._seen[0].since if 0 in self._seen else 0.0
        if 0 in self._seen and self._seen[0].beat is not None:
            return self._gone(0, seconds)
        return Failure(rank=0, status=1, what=f"cannot be reached: {error}")

    def _leave(self) -> None:
        """End the main thread, or if it does not listen the process."""
        os.kill(os.getpid(), signal.SIGTERM)
        if self._done.wait(LEAVING):
            return
        assert self.failure is not None
        print(said(self.failure, self.place), file=sys.stderr, flush=True)
        os._exit(self.failure.status)


def said(failure: Failure, place: Place) -> str:
    """What this rank says of a failure: the whole of it where the one that failed cannot."""
    line = f"rank {place.rank} ends, because of rank {failure.rank}"
    own = failure.what.startswith(("(process", "has not come", "cannot be", "what has"))
    return f"{line}: rank {failure.rank} {failure.what}" if own else f"{line}: {failure.what}"
