"""Ranks that tell each other that they live, so that none waits for one that does not.

    every rank ─► beat: a number, where its main thread is, whether a wait has failed ─► store
    rank 0     ◄─ all beats;   the others ◄─ that of rank 0
    who has failed, is dead, or is missed for too long ─► store ─► all leave

The thread of a process that is stopped or dead does not beat. One that computes, or waits, does:
for those the process group's timeout is the limit, and the beat says where they are. Who is dead on
this machine is known at once; on another one when its beats have stayed out.
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
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from k15.ranks.place import Place
from k15.ranks.processes import is_dead, kernel, position
from k15.ranks.start import PARENT

logger = logging.getLogger(__name__)

STARTING = 600.0
"""Seconds for a rank to be heard of at all: programs on a shared disk take their time to start."""
LEAVING = 5.0
"""Seconds that the main thread has to end by itself before the process is ended."""
PATIENCE = 10.0
"""Seconds without a beat after which a rank is missed, once another one's wait has failed."""
FAILED, HEARD = "failed", "heard"


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
    beats: int = 0
    """How many were new."""


class Watch:
    """Beats and looks, in a thread, every `seconds / 20`, at most every second."""

    def __init__(self, place: Place, connect: Callable[[], Any], seconds: float) -> None:
        self.place, self.connect, self.seconds = place, connect, seconds
        self.period = min(1.0, seconds / 20)
        self.failure: Failure | None = None
        self.told = threading.Event()
        """Set when there is a failure."""
        self.patience = min(PATIENCE, seconds)
        self._waited_in_vain = False
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

    def acquainted(self) -> bool:
        """Whether all that this rank looks at have been heard of."""
        return all(seen.beat for seen in self._seen.values())

    def cause(self, seconds: float) -> Failure | None:
        """Whose failure it was that made a wait for the others fail; None if it is nobody's else,
        which rank 0 knows when all have gone on beating, and the others when nothing has been told
        for so long.
        """
        self._waited_in_vain = True
        until = time.monotonic() + seconds
        before = {rank: seen.beats for rank, seen in self._seen.items()}
        while not self.told.wait(self.period / 4):
            alive = all(seen.beats > before[rank] + 1 for rank, seen in self._seen.items())
            if time.monotonic() > until or (alive and self.place.rank == 0):
                return None
        return self.failure

    def heard(self, seconds: float) -> None:
        """Rank 0 keeps the store until the others have read there who has failed, or so long."""
        until = time.monotonic() + seconds
        try:
            store = self.connect() if self.place.rank == 0 else None
            while store and store.add(HEARD, 0) < self.place.world - 1:
                if time.monotonic() > until:
                    return
                time.sleep(self.period / 4)
        except RuntimeError:
            logger.debug("the store is gone", exc_info=True)

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
        except Exception:  # of many types; what failed is known here all the same
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
                self._say_heard(store)
                self._leave()
                return

    def _say_heard(self, store: Any) -> None:
        try:
            if store is not None and self.place.rank != 0:
                store.add(HEARD, 1)
        except RuntimeError:
            logger.debug("the store is gone", exc_info=True)

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
        for rank, seen in self._seen.items():
            if store.check([f"beat/{rank}"]):
                beat = json.loads(store.get(f"beat/{rank}"))
                if beat != seen.beat:
                    seen.since, seen.beat, seen.beats = time.monotonic(), beat, seen.beats + 1
        for rank, seen in self._seen.items():
            missed = time.monotonic() - seen.since
            if missed > self._limit(seen) or self._is_dead(seen):
                return self._gone(rank, missed)
        if os.environ.get(PARENT) and os.getppid() != int(os.environ[PARENT]):
            return Failure(rank=self.place.rank, status=1, what="what has started it is gone")
        return None

    def _limit(self, seen: Seen) -> float:
        """Seconds after which a rank is missed."""
        if seen.beat is None:
            return max(STARTING, self.seconds)
        others = (other.beat for other in self._seen.values())
        hurried = self._waited_in_vain or any(beat and beat["waited"] for beat in others)
        return self.patience if hurried else self.seconds

    def _is_dead(self, seen: Seen) -> bool:
        """Whether its process is one of this kernel's that has ended."""
        if seen.beat is None or seen.beat["kernel"] != kernel() or not kernel():
            return False
        return is_dead(seen.beat["process"])

    def _beat(self, number: int) -> dict[str, Any]:
        return {
            "number": number,
            "process": os.getpid(),
            "host": socket.gethostname(),
            "kernel": kernel(),
            "where": position(self._main or 0),
            "waited": self._waited_in_vain,
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
