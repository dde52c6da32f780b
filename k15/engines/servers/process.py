"""A server that the trainer starts, and that ends with it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from k15.config.errors import ConfigError
from k15.engines.servers.connection import Lost
from k15.ranks.place import alone

TAIL = 2000  # bytes of the log that an error shows
GRACE = 5.0  # seconds to end in
LAST_WORDS = 0.3  # seconds that a server may have left, which has closed its connections


SWEEP = 'read -r _; rm -rf "$0" || { sleep 1; rm -rf "$0"; }'


class Folder:
    """A temporary one, which is gone when this process has ended, however it does."""

    def __init__(self) -> None:
        self.path = tempfile.mkdtemp(prefix="k15-servers-")
        self._sweeper = subprocess.Popen(
            ["/bin/sh", "-c", SWEEP, self.path],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def remove(self) -> None:
        """Now."""
        self._sweeper.communicate()


class Process:
    """`spec` is what `k15.engines.servers.child` reads; started by the thread that makes it, which
    has to live as long as the server.
    """

    def __init__(self, spec: Mapping[str, Any], device: str | None = None) -> None:
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - `kill` closes it
        env = alone(os.environ)
        if device is not None:
            env["CUDA_VISIBLE_DEVICES"] = device
        if spec.get("folder"):
            env["TMPDIR"] = str(spec["folder"])  # so that a killed one leaves nothing either
        self._process = subprocess.Popen(
            [sys.executable, "-m", "k15.engines.servers.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=env,
            start_new_session=True,  # Ctrl-C is for the trainer
        )
        self.number = self._process.pid
        self.spec = spec
        self._ending, self._said = threading.Lock(), ""

    def port(self, seconds: float) -> int:
        """Where it listens, once it does.

        Raises ConfigError with the line that it says of itself, Lost if it says nothing in time.
        """
        assert self._process.stdin and self._process.stdout
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(self.spec).encode() + b"\n")
            self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            raise Lost(f"it did not start within {seconds:g} s (engine.start_seconds)")
        line = self._process.stdout.readline()
        if not line:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)  # for the end of its log
            raise Lost("it ended while it started")
        told = json.loads(line)
        if "error" in told:
            raise ConfigError(told["error"])
        return int(told["port"])

    def kill(self) -> str:
        """End it and what it has started; returns how it ended, and the end of its log."""
        with self._ending:
            if not self._said:
                self._said = self._kill()
            return self._said

    def _kill(self) -> str:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(LAST_WORDS)
        status = self._process.poll()
        with suppress(ProcessLookupError):
            os.killpg(self.number, signal.SIGKILL)
        with self._process:
            self._process.wait()
        with self.log:
            self.log.seek(max(0, self.log.seek(0, os.SEEK_END) - TAIL))
            tail = self.log.read().decode(errors="replace").strip()
        how = "it was ended" if status is None else f"it ended with status {status}"
        return f"{how}; its log ends: {tail or '(empty)'}"
