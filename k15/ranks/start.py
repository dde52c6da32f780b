"""Several processes on this machine, from one command: start them, and end them together.

On a cluster torchrun or SLURM do this; a process that they have started is one of theirs.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from omegaconf import ListConfig

from k15.ranks.place import LAUNCHED
from k15.ranks.processes import is_stopped

GRACE = 30.0
"""Seconds for the others to end by themselves when one has failed; then they are told to, and after
as long again they are killed.
"""
PARENT = "K15_STARTED_BY"
"""Variable with the number of the process that looks after the ranks."""
LISTENER = "K15_LISTENER"
"""Variable with the open socket at which rank 0 is met: nobody else can take its port."""
POLL = 0.1  # seconds


def start(trainer: Any) -> None:
    """If the configuration of the Trainer wants several processes here and this is none of them:
    run the command in each, wait for them, and end with the status of the first that fails.
    """
    number = processes(trainer.devices, str(trainer.accelerator))
    launched = any(name in os.environ for name in (*LAUNCHED, "SLURM_NTASKS"))
    if number > 1 and not launched:
        raise SystemExit(Ranks(number, sys.orig_argv).wait())


def processes(devices: Any, accelerator: str) -> int:
    """How many processes `trainer.devices` means on this machine."""
    if isinstance(devices, list | tuple | ListConfig):
        return len(devices)
    if isinstance(devices, str) and devices.isdigit():
        return int(devices)
    if isinstance(devices, int) and devices >= 0:
        return devices
    if accelerator == "cpu":
        return 1
    import torch

    return torch.cuda.device_count()


class Ranks:
    """The processes of one command."""

    def __init__(self, number: int, command: Sequence[str]) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=max(128, 2 * number))
        listener.set_inheritable(True)
        common = {
            **os.environ,
            "WORLD_SIZE": str(number),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(listener.getsockname()[1]),
            LISTENER: str(listener.fileno()),
            "NODE_RANK": "0",
            "TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "ERROR"),  # stacks of C++
            PARENT: str(os.getpid()),
        }
        for number_of_signal in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number_of_signal, self._pass_on)
        self.processes = [
            subprocess.Popen(
                command,
                env=common | {"RANK": str(r), "LOCAL_RANK": str(r)},
                process_group=0,
                pass_fds=[listener.fileno()] if r == 0 else [],
            )
            for r in range(number)
        ]
        listener.close()

    def wait(self) -> int:
        """The exit status of the command: of the first process that fails, as a shell gives it."""
        status = 0
        while status == 0 and any(process.poll() is None for process in self.processes):
            time.sleep(POLL)
            status = next((p.returncode for p in self.processes if p.poll()), 0)
        for number in (signal.SIGTERM, signal.SIGKILL):
            until = time.monotonic() + GRACE
            while any(process.poll() is None for process in self.processes):
                if time.monotonic() > until or self.all_stopped():
                    self.send(number)
                    break
                time.sleep(POLL)
        for rank, process in enumerate(self.processes):
            process.wait()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what it has left behind
            if process.returncode < 0 and process.returncode != -signal.SIGTERM:
                line = f"rank {rank} was killed by signal {-process.returncode}"
                print(line, file=sys.stderr, flush=True)
        return status if status >= 0 else 128 - status

    def all_stopped(self) -> bool:
        """Those that run: they do not end by themselves."""
        return all(is_stopped(each.pid) for each in self.processes if each.poll() is None)

    def send(self, number: int) -> None:
        """A signal to those that run; a deadly one to what they have started, too."""
        for process in self.processes:
            if process.poll() is None and number == signal.SIGKILL:
                os.killpg(process.pid, number)
            elif process.poll() is None:
                process.send_signal(number)

    def _pass_on(self, number: int, _: Any) -> None:
        self.send(number)
