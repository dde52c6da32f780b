"""Real transfers over loopback: into this process, and into servers that may die."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from k15.config import ConfigError
from k15.engines.servers.engine import ServedEngine
from k15.engines.servers.fleet import Patience
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24
from k15.weights.full import full_weights
from k15.weights.routes import mooncake
from k15.weights.routes.mooncake import Mooncake
from k15.weights.routes.protocol import WrongWeights
from tests.engines.servers.steady import checksum
from tests.weights.routes.test_host_memory import Server, same, weights

try:
    Mooncake.check()
    REASON = ""
except ConfigError as error:
    REASON = str(error)
needs_mooncake = pytest.mark.skipif(bool(REASON), reason=REASON)


@pytest.fixture
def route() -> Iterator[Mooncake]:
    with closing(Mooncake()) as route:
        yield route


@needs_mooncake
def test_what_comes_out_is_what_went_in(route, monkeypatch) -> None:
    """Also in several transfers, of other weights, and of more than before."""
    monkeypatch.setattr(mooncake, "AT_ONCE", 100)
    for version, more in ((1, {}), (2, {}), (3, {"large": torch.randn(2000)}), (4, {})):
        sent = {**weights(version), **more}
        route.send(sent.items())
        route.finish(version)
        server = Server(here=False)
        route.deliver(server)
        same(server.got, sent)
        assert (server.offer["route"], server.offer["version"]) == ("mooncake", version)
        assert server.bytes == 0


@needs_mooncake
def test_no_weights_are_weights(route) -> None:
    route.send([])
    route.finish(1)
    server = Server(here=True)
    route.deliver(server)
    assert server.got == {}


@needs_mooncake
def test_other_bytes_than_were_sent_are_refused(route) -> None:
    def other_check(offer, content: bytes) -> bytes:
        offer["pieces"][1][-1] ^= 1
        return content

    route.send(weights().items())
    route.finish(1)
    with pytest.raises(WrongWeights, match="are not those that were sent"):
        route.deliver(Server(True, other_check))


@needs_mooncake
@pytest.mark.parametrize("field", ["address", "peer"])
def test_memory_that_is_not_there_is_refused(route, field: str) -> None:
    """Mooncake gives nothing that is not registered; nobody listens at port 1."""

    def elsewhere(offer, content: bytes) -> bytes:
        offer[field] = offer["address"] + (1 << 30) if field == "address" else "127.0.0.1:1"
        return content

    route.send(weights().items())
    route.finish(1)
    with pytest.raises(WrongWeights, match="cannot be read by Mooncake"):
        route.deliver(Server(True, elsewhere))


@needs_mooncake
def test_servers_get_them_and_one_that_comes_back(tmp_path: Path) -> None:
    """Three checksums: of two servers, and of the one that was killed."""
    policy = tiny_policy(words=Make24().words)
    patience = Patience(start=200, answer=5, load=60)
    with closing(
        ServedEngine(
            policy,
            serves="tests.engines.servers.steady.Steady",
            settings={"folder": str(tmp_path)},
            replicas=2,
            route=Mooncake(),
            patience=patience,
        )
    ) as engine:
        engine.load_weights(full_weights(policy.model), 7)
        member = engine.fleet.members[0]
        os.kill(member.process.number, signal.SIGKILL)
        with engine.fleet.changed:
            engine.fleet.wait_for(lambda: len([*tmp_path.iterdir()]) == 3, 250, "its return")
            engine.fleet.wait_for(lambda: member.version == 7 and member.serving, 60, "its weights")
    found = {file.read_text() for file in tmp_path.iterdir()}
    assert found == {str(checksum(full_weights(policy.model)))}


def test_where_it_is_missing_the_line_that_installs_it_is_said(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "mooncake", None)
    monkeypatch.setitem(sys.modules, "mooncake.engine", None)
    with pytest.raises(ConfigError, match=r'not installed: pip install "k15\[mooncake\]"$'):
        Mooncake()


def test_where_a_library_is_missing_that_is_said(monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "mooncake").mkdir()
    (tmp_path / "mooncake" / "__init__.py").touch()
    broken = "raise ImportError('libibverbs.so.1: cannot open shared object file')"
    (tmp_path / "mooncake" / "engine.py").write_text(broken)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("mooncake", "mooncake.engine"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ConfigError, match=r"\(libibverbs.so.1: .*\): apt install libibverbs1"):
        Mooncake()


def test_a_protocol_that_it_has_not_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"engine.route.protocol=http: choose tcp or rdma"):
        Mooncake(protocol="http")
