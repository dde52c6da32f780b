"""Weights by Mooncake: servers read the trainer's copy themselves, over TCP or RDMA.

    send ──► the copy of `host_memory`, mapped and registered with a transfer engine
    deliver ──► where it lies ──► a server: reads it, piece by piece, and checks each

Peers find each other by a handshake of their own ("P2PHANDSHAKE"), so that no service is needed
beside them. Mooncake listens on all interfaces and asks for no token: whoever reaches its ports can
read and write the copy. Checksums travel over HTTP, under the server's token.
https://github.com/kvcache-ai/Mooncake
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO

from k15.config.errors import ConfigError, one_line
from k15.weights.routes.host_memory import HostMemory
from k15.weights.routes.pieces import Piece, pieces_of, tensor_of
from k15.weights.routes.protocol import Offer, Receiver, WrongWeights

if TYPE_CHECKING:
    from torch import Tensor

AT_ONCE = 64 << 20  # bytes that a server reads in one transfer, or one tensor if that is larger
PROTOCOLS = ("tcp", "rdma")  # it takes tcp also where it finds no devices for the other
INSTALL = 'pip install "k15[mooncake]"'
LIBRARIES = "apt install libibverbs1 libnuma1"


class Mooncake(HostMemory):
    """`host` is the address under which servers reach this machine, `protocol` tcp or rdma,
    `device` the network devices of the latter (mlx5_0), empty for all.
    """

    def __init__(self, host: str = "127.0.0.1", protocol: str = "tcp", device: str = "") -> None:
        self.engine = started(host, protocol, device)
        super().__init__()
        self.way = {"protocol": protocol, "device": device}
        self.peer = f"{host}:{self.engine.get_rpc_port()}"
        self.mapped: list[Any] = []
        """The memory, as one array of bytes; of another size before, if it has grown."""

    @classmethod
    def check(cls) -> None:
        """Raises ConfigError where Mooncake is missing."""
        transfer_engine()

    def send(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Copy them to where servers can read them; raises ConfigError if there is no room."""
        super().send(weights)
        size = os.fstat(self.file).st_size
        if size and (not self.mapped or size > len(self.mapped[-1])):
            self.mapped.append((ctypes.c_char * size).from_buffer(mmap.mmap(self.file, size)))
            address = ctypes.addressof(self.mapped[-1])
            if self.engine.register_memory(address, size):
                raise ConfigError(f"engine.route: Mooncake takes no {size / 1e6:,.0f} MB of memory")

    def deliver(self, server: Receiver) -> None:
        """Tell it where they lie."""
        address = ctypes.addressof(self.mapped[-1]) if self.mapped else 0
        place = {"route": "mooncake", "peer": self.peer, "address": address, **self.way}
        server.load({**place, "version": self.version, "pieces": self.pieces})

    def close(self) -> None:
        """Nobody reads there any more."""
        for mapped in self.mapped:
            self.engine.unregister_memory(ctypes.addressof(mapped))
        del self.engine
        super().close()


def received(offer: Offer, body: BinaryIO) -> Iterator[tuple[str, Tensor]]:
    """Tensors as they are read, each checked; several small ones in one transfer.

    Raises WrongWeights if the trainer's memory cannot be read, ConfigError where Mooncake is
    missing.
    """
    peer, address = str(offer["peer"]), int(offer["address"])
    engine = reader(own_address(peer), str(offer["protocol"]), str(offer["device"]))
    for pieces in together(pieces_of(offer)):
        start = pieces[0].start
        end = max((piece.start + piece.size for piece in pieces if piece.size), default=start)
        content = memoryview(bytearray(end - start))
        if content.nbytes:
            read(engine, peer, address + start, content)
        for piece in pieces:
            begin = piece.start - start
            yield piece.name, tensor_of(piece, content[begin : begin + piece.size])


def together(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Those that follow each other, as many as fit into one transfer."""
    found: list[Piece] = []
    for piece in pieces:
        if found and piece.start + piece.size - found[0].start > AT_ONCE:
            yield found
            found = []
        found.append(piece)
    if found:
        yield found


def read(engine: Any, peer: str, address: int, into: memoryview) -> None:
    """As many bytes as `into` has, from a peer's memory."""
    view = (ctypes.c_char * into.nbytes).from_buffer(into)
    here = ctypes.addressof(view)
    if engine.register_memory(here, into.nbytes):
        raise WrongWeights(f"Mooncake takes no {into.nbytes} bytes of memory")
    try:
        if engine.transfer_sync_read(peer, here, address, into.nbytes):
            raise WrongWeights(f"the trainer's memory at {peer} cannot be read by Mooncake")
    finally:
        engine.unregister_memory(here)


@cache
def reader(host: str, protocol: str, device: str) -> Any:
    """The one of this process."""
    return started(host, protocol, device)


def started(host: str, protocol: str, device: str) -> Any:
    """A transfer engine at this address; raises ConfigError if there cannot be one."""
    if protocol not in PROTOCOLS:  # Mooncake itself would take tcp for anything
        raise ConfigError(f"engine.route.protocol={protocol}: choose {' or '.join(PROTOCOLS)}")
    engine = transfer_engine()()
    if engine.initialize(host, "P2PHANDSHAKE", protocol, device):
        raise ConfigError(
            f"engine.route: Mooncake does not start at host={host} with device={device!r}; take an "
            "address and devices of this machine"
        )
    return engine


def transfer_engine() -> Any:
    """Mooncake's class; raises ConfigError, with the line that installs it, if it is missing."""
    os.environ.setdefault("MC_LOG_LEVEL", "ERROR")
    try:
        from mooncake.engine import TransferEngine
    except ModuleNotFoundError as error:
        raise ConfigError(f"engine.route: Mooncake is not installed: {INSTALL}") from error
    except ImportError as error:  # libraries of the system that it is linked with
        raise ConfigError(
            f"engine.route: Mooncake cannot be loaded ({one_line(error)}): {LIBRARIES}"
        ) from error
    return TransferEngine


def own_address(peer: str) -> str:
    """That of this machine in the network in which a peer is; nothing is sent."""
    host, _, port = peer.rpartition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, int(port)))
        return probe.getsockname()[0]
