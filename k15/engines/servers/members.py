"""How a fleet comes to its servers: it starts them, or is told where they are."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from k15.config.errors import ConfigError
from k15.engines.servers.connection import Connection, Lost, Refused
from k15.engines.servers.fleet import Fleet
from k15.engines.servers.member import Member
from k15.engines.servers.process import Process

logger = logging.getLogger(__name__)


class Started(Member):
    """A process of ours, started again when it is lost; `spec` is `child`'s, `device` a GPU."""

    started_here = True

    def __init__(
        self,
        name: str,
        fleet: Fleet,
        connect: partial[Connection],
        spec: Mapping[str, Any],
        device: str | None = None,
    ) -> None:
        super().__init__(name, fleet, spec["model"])
        self.connect, self.spec, self.device = connect, spec, device
        self.process: Process | None = None

    def reach(self) -> Connection:
        """Once it has started; what it cannot be made of ends the run, at its first start."""
        with self.fleet.changed:
            if self.fleet.closing:
                raise Lost("not needed")
            process = self.process = Process(self.spec, self.device)
        try:
            port = process.port(self.fleet.patience.start)
        except ConfigError as error:
            if not self.served:
                raise
            raise Lost(str(error)) from error
        return self.connect(f"http://127.0.0.1:{port}", here=True)

    def gone(self) -> str:
        """Killed if it is not dead."""
        return f"; {self.process.kill()}" if self.process is not None else ""

    def end(self) -> None:
        """At once: there is nothing that it would have to save."""
        self.gone()

    def judge(self, what: str) -> None:
        """If it did not even start, or too often without a request finished."""
        if not self.served or self.losses > self.fleet.patience.restarts:
            self.fleet.fail(RuntimeError(f"{what}\n({self.losses} times in a row)"))


class Given(Member):
    """A server at a URL that somebody else starts; it may come and go. `certain`: the user has
    named it, so that it has to be there, and what it refuses is the user's to mend.
    """

    def __init__(
        self,
        url: str,
        fleet: Fleet,
        connect: partial[Connection],
        model: Mapping[str, Any],
        certain: bool = True,
    ) -> None:
        super().__init__(url, fleet, model)
        self.url, self.connect, self.expected = url, connect, certain

    def reach(self) -> Connection:
        """Whether anybody is there shows at the first message."""
        return self.connect(self.url)

    def refused(self, refusal: Refused) -> Exception:
        """By a wrong token, or because it serves another run: at first that is an error, later,
        when it has come back, others may have been faster.
        """
        if self.expected and not self.served:
            return ConfigError(f"engine.urls: {refusal}")
        return Lost(str(refusal))

    def end(self) -> None:
        """Free for another run."""
        if self.serving:
            try:
                self.connect(self.url, seconds=2.0).post("/release", {})
            except (Lost, Refused) as error:
                logger.debug("%s: %s", self.url, error)

    def judge(self, what: str) -> None:
        """There is no server at all, for too long."""
        silent = time.monotonic() - self.fleet.seen_ready
        if silent > self.fleet.patience.start:
            self.fleet.fail(
                RuntimeError(f"no server has answered for {silent:.0f} s (patience.start): {what}")
            )
