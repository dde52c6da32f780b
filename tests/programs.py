"""Programs of this repository in processes of their own that need not import torch again.

    test ─► server, which has imported what they share ─► keeper ─► program: `python SCRIPT ...`

A program is a fork with its own folder, environment, output and end; what it starts itself, it
starts as always. Forks share what is drawn once per interpreter, such as the order of sets: where
a test compares runs, one of them should be a process from the start.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy

import k15

ROOT = Path(__file__).parents[1]
SHARED = (
    "torch._dynamo",
    "torch.utils.tensorboard",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "k15.datamodules.rl",
    "k15.engines.transformers",
    "k15.evaluation.evaluator",
    "k15.models.tiny",
    "k15.modules.rl",
    "k15.runs.checkpoints",
    "k15.sharding.strategy",
)
"""Modules that most programs import."""
MESSAGE = 1 << 17
"""Bytes of the longest message; an environment is in it."""


class Program:
    """A script that runs, as `subprocess.Popen` has it; all that it says is one text."""

    def __init__(self, words: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self.returncode: int | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  as long as the program is of interest
        self._news, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = json.dumps({"words": [*words], "cwd": str(cwd), "env": {**env}}).encode()
        assert len(request) < MESSAGE
        with theirs:
            socket.send_fds(_server(), [request], [theirs.fileno(), self._said.fileno()])
        self.pid = self._told()

    def _told(self) -> int:
        told = self._news.recv(64)
        assert told, "the server of programs has ended"
        return int(told)

    def wait(self, timeout: float | None = None) -> int:
        """The exit status; that of a signal is negative.

        Raises:
            TimeoutError: it runs for longer than `timeout` seconds.
        """
        if self.returncode is None:
            self._news.settimeout(timeout)
            self.returncode = self._told()
        return self.returncode

    def poll(self) -> int | None:
        """The exit status, None while it runs."""
        try:
            return self.wait(0.0)
        except BlockingIOError:
            return None

    def send_signal(self, number: int) -> None:
        """If it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def output(self, timeout: float) -> str:
        """What it has said, once it has ended; after `timeout` seconds it is killed."""
        try:
            self.wait(timeout)
        except TimeoutError:
            self.send_signal(signal.SIGKILL)
            raise
        self._said.seek(0)
        return self._said.read().decode()


@cache
def _server() -> socket.socket:
    """Where programs are asked for; the server ends with this process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with theirs:
        number = theirs.fileno()
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.programs", str(number)],
            cwd=ROOT,
            env=environment,
            pass_fds=[number],
        )
    atexit.register(server.wait)
    atexit.register(ours.close)  # which comes first, and ends it
    return ours


def _serve(requests: socket.socket) -> None:
    """Fork a keeper for each; the forks return to start their program, the server does not."""
    for name in SHARED:
        import_module(name)
    gc.collect()
    gc.freeze()  # a fork would copy all that its collections look at
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are not waited for
    while True:
        request, numbers, _, _ = socket.recv_fds(requests, MESSAGE, 2)
        if not request:
            sys.exit()
        news, said = numbers
        if os.fork() == 0:
            requests.close()
            return _keep(json.loads(request), socket.socket(fileno=news), said)
        os.close(news)
        os.close(said)


def _keep(request: dict, news: socket.socket, said: int) -> None:
    """Fork the program, tell its number and then how it has ended; the program alone returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        news.close()
        return _become(said=said, **request)
    os.close(said)
    news.send(str(pid).encode())
    _, status = os.waitpid(pid, 0)
    with suppress(BrokenPipeError):  # the test has ended before its program
        news.send(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(words: Sequence[str], cwd: str, env: Mapping[str, str], said: int) -> None:
    """What the interpreter does before it runs the script."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    for stream, number in ((os.open(os.devnull, os.O_RDONLY), 0), (said, 1), (said, 2)):
        os.dup2(stream, number)
    os.closerange(3, 1024)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background is deaf
    sys.argv[:] = words
    sys.orig_argv[:] = [sys.executable, *words]
    places = env.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:1] = [
        str(Path(words[0]).resolve().parent),
        *map(os.path.abspath, filter(None, places)),
    ]
    numpy.random.seed()  # Python's own generator is seeded anew by a fork
    tempfile.tempdir = None  # it may have been asked for
    k15.BORN = time.monotonic()


def main(number: str) -> None:
    """The server; and, in a fork of a fork of it, the program."""
    _serve(socket.socket(fileno=int(number)))
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main(*sys.argv[1:])
