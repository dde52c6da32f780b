"""A process that runs a `main(socket, options)` of the jail folder, by a bare interpreter."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from k15.sandbox.languages import ENVIRONMENT

START_SECONDS = 60.0
END_SECONDS = 20.0
"""How long the jail may take to end a program that it was told to end."""
_BOOT = (
    "import sys, json; sys.path.insert(0, sys.argv[1]); from jail.{} import main;"
    " del sys.path[0]; main(int(sys.argv[2]), json.loads(sys.argv[3]))"
)


class JailBroken(Exception):
    """The jail does not start, died, fell silent, or could not run a program."""


class JailProcess:
    """It ends when `channel` does; what it wrote until then is kept for `close`."""

    def __init__(self, module: str, options: Mapping[str, Any], *, python: str, name: str) -> None:
        """Start it, and wait until it is ready.

        Args:
            module: of the jail folder, whose `main` it runs.
            name: for the reader of errors.

        Raises JailBroken with what it said if it does not come up.
        """
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - `close` does
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [python, "-P", "-s", "-S", "-c", _BOOT.format(module), str(Path(__file__).parent)]
        try:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno()), json.dumps(options)],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env=dict(ENVIRONMENT),
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the parent
            )
        except OSError as error:
            raise JailBroken(f"the {name} did not start: {error}") from error
        finally:
            theirs.close()
        self.channel.settimeout(START_SECONDS)
        try:
            ready = self.channel.recv(16)
        except OSError:
            ready = b""
        if ready != b"ready":
            raise JailBroken(f"the {name} did not start: {self.close() or 'it said nothing'}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> str:
        """End it with everything in it, and wait until it has ended; returns its last words."""
        self.channel.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(END_SECONDS)
        with self._log as log:
            log.seek(0)
            return log.read().decode(errors="replace").strip()[-2000:]
