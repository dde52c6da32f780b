"""Engines whose servers are killed at random moments, and what a run has trained on."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from lightning.pytorch import Callback

from k15.engines.servers.engine import ServedEngine


class Killer:
    """Kills `kills` servers, a random one after `seconds` each, about, once there are weights; one
    more is stopped.
    """

    def __init__(self, engine: ServedEngine, kills: int, stops: int, seconds: float, file: str):
        self.engine, self.seconds, self.file = engine, seconds, Path(file)
        self.signals = [signal.SIGKILL] * kills
        for n in range(stops):
            self.signals.insert((n + 1) * len(self.signals) // (stops + 1), signal.SIGSTOP)
        self.random, self.done = Random(kills), threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def end(self) -> None:
        self.done.set()
        self.thread.join()

    def _run(self) -> None:
        for number in self.signals:
            while True:
                if self.done.wait(self.random.uniform(0.2, 1.8) * self.seconds):
                    return
                member: Any = self.random.choice(self.engine.fleet.members)
                if self.engine.fleet.version is not None and member.process is not None:
                    break
            with suppress(ProcessLookupError):
                os.kill(member.process.number, number)
                with self.file.open("a") as file:
                    print(number.name, member.name, "serving" if member.serving else "", file=file)


class Chaotic(ServedEngine):
    """Of ours around any engine."""

    def __init__(self, policy: Any, *, kills: int, stops: int, seconds: float, file: str, **rest):
        super().__init__(policy, **rest)
        self.killer = Killer(self, kills, stops, seconds, file)

    def close(self) -> None:
        if hasattr(self, "killer"):
            self.killer.end()
        super().close()


class Trained(Callback):
    """Writes the numbers of the groups of every iteration."""

    def __init__(self, file: str) -> None:
        self.file = Path(file)

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
        with self.file.open("a") as file:
            print(*(group.number for group in batch.groups), file=file)
