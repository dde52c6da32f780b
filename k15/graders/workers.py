"""A pool of processes that can be killed, for work that may hang, explode or crash.

The protocol: a worker writes the line {"ready": true}; then it reads one JSON request per line from
stdin and writes one JSON reply per line to stdout, until stdin ends. It limits itself: a request
that takes more CPU time than it may ends the process by SIGPROF, one that takes more memory ends it
with status 75 (see `worker.py`). CPU time, not wall-clock: a verdict must not depend on how
busy the machine is.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from queue import LifoQueue
from typing import Any

from k15.graders.base import GraderFailure

LIMITS = {-signal.SIGPROF: "CPU time", 75: "memory"}  # by how the process ended


class LimitExceeded(Exception):
    """The request took too much CPU time or memory; what that means is for the caller to say."""


class WorkerPool:
    """Up to `size` processes, started when needed; callable from any thread.

    Workers end by `close`, or with the parent, however that ends: their stdin does.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        size: int = 2,
        wall_seconds: float = 300.0,
        grace_seconds: float = 0.0,
    ) -> None:
        """Start nothing yet.

        Args:
            command: program and arguments of a worker.
            size: requests that are worked on at the same time.
            wall_seconds: a worker that is silent for so long is broken. Generous, because what
                limits a request is CPU time.
            grace_seconds: time to tidy up in at `close`, before it is killed.
        """
        if size < 1:
            raise ValueError(f"workers={size}: at least one is needed")
        self.size = size
        self._command = tuple(command)
        self._wall_seconds, self._grace_seconds = wall_seconds, grace_seconds
        self._closing = threading.Lock()
        # Last in, first out: one caller at a time never starts a second worker.
        self._slots: LifoQueue[_Worker | None] = LifoQueue()
        for _ in range(size):
            self._slots.put(None)

    def start(self) -> None:
        """Start one worker, to see now whether it can be done; raises GraderFailure if not."""
        worker = self._slots.get()
        try:
            worker = worker or _Worker(self._command, self._wall_seconds)
        except _Died as death:
            raise GraderFailure(str(death)) from death
        finally:
            self._slots.put(worker)

    def call(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The reply to `request`.

        Raises:
            LimitExceeded: it took too much CPU time or memory.
            GraderFailure: the worker died or fell silent, with the last lines of its stderr; the
                next call gets a fresh one.
        """
        worker = self._slots.get()  # a slot comes free: every request has a deadline
        try:
            if worker is None or worker.ended():  # killed while it was idle
                worker = _Worker(self._command, self._wall_seconds)
            return worker.ask(request)
        except _Died as death:
            raise GraderFailure(str(death)) from death
        finally:
            self._slots.put(worker if worker and worker.alive else None)

    def close(self) -> None:
        """End the workers, once the requests under way have ended; a later call starts new ones."""
        with self._closing:  # two half-collected pools would wait for each other
            workers = [self._slots.get() for _ in range(self.size)]
            for worker in workers:
                if worker:
                    worker.end(self._grace_seconds)
                self._slots.put(None)


class _Died(Exception):
    """A worker could not start, ended without a reply, or fell silent."""


class _Worker:
    """One process that is ready for a request.

    Whatever interrupts a request kills the process: a late reply would be taken for the next one's.
    """

    def __init__(self, command: Sequence[str], wall_seconds: float) -> None:
        self._wall_seconds = wall_seconds
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - `kill` closes it
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                env={**os.environ, "PYTHONHASHSEED": "0"},
                start_new_session=True,  # Ctrl-C is for the parent
            )
        except OSError as error:
            raise _Died(f"worker {command[0]} does not start: {error}") from error
        self.alive = True
        self._exchange(b"")  # the first line says that it is ready

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        return self._exchange(json.dumps(request).encode() + b"\n")

    def ended(self) -> bool:
        return self._process.poll() is not None

    def end(self, grace_seconds: float) -> None:
        """Its input ends; it is killed unless it has ended by then."""
        assert self._process.stdin
        self._process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_seconds)
        self.kill()

    def kill(self) -> None:
        self.alive = False
        with self._process, self._stderr:
            self._process.kill()

    def _exchange(self, line: bytes) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin and stdout
        try:
            with suppress(BrokenPipeError):  # it is dead: so says the missing reply
                os.write(stdin.fileno(), line)
            if not wait([stdout.fileno()], self._wall_seconds):
                raise _Died(f"worker silent for {self._wall_seconds} s of wall-clock time")
            reply = stdout.readline()
            if not reply:
                raise self._death()
            return json.loads(reply)
        except BaseException:
            self.kill()
            raise

    def _death(self) -> Exception:
        """Why there was no reply."""
        status = self._process.wait(self._wall_seconds)
        if status in LIMITS:
            return LimitExceeded(LIMITS[status])
        self._stderr.seek(0)
        stderr = self._stderr.read().decode(errors="replace")[-2000:]
        return _Died(f"worker ended with status {status}; its stderr ends: {stderr or '(empty)'}")
