"""The registry as the trainer keeps it: its servers go in, servers that join come out."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from k15.engines.servers.fleet import Fleet
from k15.engines.servers.member import Member
from k15.engines.servers.parties import Party
from k15.engines.servers.registry import RENEWED, SERVERS, WEIGHTS, Registry
from k15.engines.servers.wire import Json

logger = logging.getLogger(__name__)


class Roster(threading.Thread):
    """Writes and reads every `RENEWED` seconds; `join` makes a member of a URL that is new."""

    def __init__(self, fleet: Fleet, registry: Registry, join: Callable[[str], Member]) -> None:
        super().__init__(name="registry", daemon=True)
        self.fleet, self.registry, self.join_at = fleet, registry, join
        self._done = threading.Event()
        self._written: set[str] = set()

    def run(self) -> None:
        """A registry that does not answer for a while is no reason to stop."""
        while not self._done.wait(RENEWED):
            try:
                self.look()
            except (OSError, ValueError, KeyError) as error:
                logger.warning("the registry of servers: %s", error)

    def look(self) -> None:
        """Once, both ways."""
        with self.fleet.changed:
            entries = {f"{SERVERS}{m.name}": entry(m) for m in self.fleet.members if m.started_here}
            urls = {member.name for member in self.fleet.members}
            if self.fleet.version is not None:
                entries[WEIGHTS] = weights(self.fleet)
        for key, value in entries.items():
            self.registry.put(key, value)
        self._written |= entries.keys()
        found = [one["url"] for one in self.registry.all(SERVERS).values() if one.get("joins")]
        if new := [self.join_at(url) for url in found if url not in urls]:
            self.fleet.add(new)

    def end(self) -> None:
        """Leave nothing there that lives no more."""
        self._done.set()
        self.join(2 * RENEWED)
        for key in self._written:
            with suppress(OSError):
                self.registry.remove(key)


def entry(member: Party) -> Json:
    """A server that the trainer has started."""
    return {
        "url": member.connection.url if member.connection else None,
        "host": socket.gethostname(),
        "serving": member.serving,
        "slots": member.slots,
        "version": member.version,
        "lost": member.lost,
    }


def weights(fleet: Fleet) -> Json:
    """What servers have to have."""
    route = type(fleet.route)
    return {
        "version": fleet.version,
        "route": f"{route.__module__}.{route.__qualname__}",
        "host": socket.gethostname(),
        "process": os.getpid(),
    }
