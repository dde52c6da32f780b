"""What servers and trainers tell each other through a folder, or a real etcd."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from k15.config import ConfigError
from k15.engines.servers import registry as registries
from k15.engines.servers.registry import EtcdRegistry, FileRegistry, Registry, open_registry


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[str]:
    """Its address; Debian has it in etcd-server."""
    if shutil.which("etcd") is None:
        pytest.skip("etcd is not installed: apt-get install etcd-server")
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        here, peers = (f"http://127.0.0.1:{s.getsockname()[1]}" for s in (one, other))
    command = ["etcd", "--data-dir", f"{tmp_path}/etcd", "--listen-peer-urls", peers]
    command += ["--listen-client-urls", here, "--advertise-client-urls", here]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                EtcdRegistry(here).all("")
                break
            except OSError:
                time.sleep(0.2)
        yield here
        process.kill()


@pytest.fixture(params=["file", "etcd"])
def registry(request, tmp_path: Path) -> Registry:
    if request.param == "file":
        return FileRegistry(tmp_path / "registry")
    return EtcdRegistry(request.getfixturevalue("etcd"))


def test_what_is_put_is_there_until_it_is_removed(registry: Registry) -> None:
    assert registry.all("servers/") == {}
    registry.put("servers/a:1", {"url": "http://a:1", "slots": 3})
    registry.put("servers/b", {"url": "http://b"})
    registry.put("weights", {"version": 7})
    assert registry.all("servers/") == {
        "servers/a:1": {"url": "http://a:1", "slots": 3},
        "servers/b": {"url": "http://b"},
    }
    registry.put("weights", {"version": 8})
    assert registry.all("weights") == {"weights": {"version": 8}}
    registry.remove("servers/b")
    registry.remove("servers/never")
    assert [*registry.all("servers/")] == ["servers/a:1"]


def test_who_does_not_renew_is_gone(registry: Registry, monkeypatch) -> None:
    monkeypatch.setattr(registries, "LIVES", 1.0)
    registry.put("servers/a", {"url": "http://a"})
    assert registry.all("")
    until = time.monotonic() + 15  # etcd looks at leases every second, and takes two at least
    while registry.all("") and time.monotonic() < until:
        time.sleep(0.3)
    assert registry.all("") == {}


@pytest.mark.parametrize(
    ("kind", "at", "message"),
    [
        ("zookeeper", "x", r"registry='zookeeper': choose file, etcd or null"),
        ("etcd", None, r"registry_at=None: .* http://host:port"),
        ("etcd", "http://127.0.0.1:9", r"registry=etcd registry_at=http://127.0.0.1:9: .*refused"),
    ],
)
def test_a_registry_that_cannot_be_meant(kind: str, at: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_registry(kind, at)


def test_none_is_asked_for() -> None:
    assert open_registry(None, None) is open_registry("file", None) is None
