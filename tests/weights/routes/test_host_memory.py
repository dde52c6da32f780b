"""Weights wait in memory, and come out as they went in, or not at all."""

import io
import os
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import torch

from k15.weights.routes.host_memory import HostMemory
from k15.weights.routes.protocol import Receiver, WrongWeights, received

SHAPES = {"float32": (3, 5), "bfloat16": (7,), "float64": (), "int64": (2, 2, 2), "bool": (9,)}


def weights(factor: float = 1.0) -> dict[str, torch.Tensor]:
    """Of several kinds, one of them with rows that do not follow each other, one empty."""
    torch.manual_seed(0)
    tensors = {
        name: (factor * 10 * torch.randn(shape)).to(getattr(torch, name))
        for name, shape in SHAPES.items()
    }
    return {**tensors, "turned": torch.randn(4, 6).T, "empty": torch.empty(0, 3)}


class Server(Receiver):
    """In this process: takes an offer as a server does; `spoil` changes what it is told."""

    def __init__(self, here: bool, spoil=None) -> None:
        self.here, self.spoil = here, spoil
        self.offer: dict[str, Any] = {}
        self.bytes = 0

    def load(self, offer, body=(), size=0) -> None:
        content = b"".join(bytes(chunk) for chunk in body)
        assert len(content) == size
        self.bytes = size
        self.offer = {**offer, "pieces": [list(piece) for piece in offer["pieces"]]}
        if self.spoil:
            content = self.spoil(self.offer, content)
        self.got = {
            name: tensor.clone() for name, tensor in received(self.offer, io.BytesIO(content))
        }


@pytest.fixture
def route() -> Iterator[HostMemory]:
    with closing(HostMemory()) as route:
        yield route


def same(one, other) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert (tensor.dtype, tensor.shape) == (other[name].dtype, other[name].shape)
        assert torch.equal(tensor, other[name])


@pytest.mark.parametrize("here", [True, False])
def test_what_comes_out_is_what_went_in(route, here: bool) -> None:
    """Again and again, also from a second piece of weights, into several servers."""
    for version in (1, 2):
        route.send(weights(version).items())
        route.finish(version)
        for server in (Server(here), Server(here)):
            route.deliver(server)
            same(server.got, weights(version))
            assert server.offer["version"] == version
            assert server.offer["route"] == ("shared_memory" if here else "stream")
            assert (server.bytes == 0) == here


def test_a_server_here_may_want_it_over_http() -> None:
    with closing(HostMemory(stream=True)) as route:
        route.send(weights().items())
        route.finish(1)
        server = Server(here=True)
        route.deliver(server)
    assert server.offer["route"] == "stream" and server.bytes > 0


@pytest.mark.parametrize("here", [True, False])
def test_other_bytes_than_were_sent_are_refused(route, here: bool) -> None:
    def other_check(offer, content: bytes) -> bytes:
        offer["pieces"][1][-1] ^= 1
        return content

    def flipped(offer, content: bytes) -> bytes:
        return content[:10] + bytes([content[10] ^ 1]) + content[11:]

    route.send(weights().items())
    route.finish(1)
    for spoil in (other_check, *([] if here else [flipped])):
        with pytest.raises(WrongWeights, match=r"are not those that were sent"):
            route.deliver(Server(here, spoil))


def test_a_stream_that_ends_early_is_refused(route) -> None:
    route.send(weights().items())
    route.finish(1)
    with pytest.raises(WrongWeights, match=r"it ends after .* bytes"):
        route.deliver(Server(False, lambda offer, content: content[:-8]))


def test_memory_that_is_gone_is_refused(route) -> None:
    def elsewhere(offer, content: bytes) -> bytes:
        offer["file"] = f"/proc/{os.getpid()}/fd/99999"
        return content

    def longer(offer, content: bytes) -> bytes:
        offer["pieces"][-2][3] += 10**6
        return content

    route.send(weights().items())
    route.finish(1)
    for spoil, message in ((elsewhere, "cannot be read"), (longer, r"bytes, not 1000")):
        with pytest.raises(WrongWeights, match=message):
            route.deliver(Server(True, spoil))


def test_a_route_is_a_module_of_its_folder() -> None:
    for name in ("../x", "os.path", ""):
        with pytest.raises(WrongWeights, match="not a module"):
            received({"route": name}, io.BytesIO())


def test_the_memory_has_no_name(route) -> None:
    """So nothing of it is left, however the trainer ends."""
    before = {*os.listdir("/dev/shm")}
    route.send(weights().items())
    assert "memfd:k15-weights (deleted)" in os.readlink(f"/proc/self/fd/{route.file}")
    assert {*os.listdir("/dev/shm")} <= before | {
        n for n in os.listdir("/dev/shm") if "k15" not in n
    }


def test_a_copy_takes_its_time() -> None:
    """40 MB, checked at both ends: far below a second of the processor."""
    tensor = torch.randn(10_000_000)
    with closing(HostMemory()) as route:
        start = time.process_time()
        route.send([("weight", tensor)])
        route.finish(1)
        route.deliver(Server(True))
        assert time.process_time() - start < 1.0
