"""Every attack on every backend: contained, and the machine as it was before."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from k15.sandbox.languages import TOOLCHAINS, install_line
from k15.sandbox.protocol import Input, Program, Sandbox

from .attacks import ATTACKS, Attack

SECRET = "K15-SECRET-of-the-host"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """What attacks aim at: their arguments."""
    folder = tmp_path_factory.mktemp("host")
    (folder / "secret").write_text(SECRET)
    os.environ["K15_SECRET"] = SECRET
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        udp,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        udp.bind(tcp.getsockname())
        threading.Thread(target=_echo, args=(udp,), daemon=True).start()
        unix.bind(str(folder / "socket"))
        unix.listen()
        abstract.bind(f"\0k15-attack-{os.getpid()}")
        abstract.listen()
        (folder / "socket").chmod(0o777)
        folder.chmod(0o755)
        port = str(tcp.getsockname()[1])
        yield (
            *(str(folder / "secret"), str(os.getpid()), port),
            *(str(folder / "socket"), f"k15-attack-{os.getpid()}"),
        )
    del os.environ["K15_SECRET"]


def _echo(udp: socket.socket) -> None:
    while True:
        try:
            data, sender = udp.recvfrom(16)
        except OSError:
            return
        udp.sendto(data, sender)


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
def test_attack_is_contained(
    backends: tuple[str, Sandbox], attack: Attack, host: tuple[str, ...]
) -> None:
    name, sandbox = backends
    if attack.needs_namespaces and name == "local without namespaces":
        pytest.skip("its warning says so")
    for executable in TOOLCHAINS[attack.language].executables:
        if not shutil.which(executable):
            pytest.skip(install_line(attack.language))
    before = _machine(host)

    program = Program(source=attack.source, language=attack.language)
    (outcome,) = sandbox.run(program, [Input(arguments=host)], attack.limits)

    assert outcome.cause in attack.causes, outcome
    assert b"ESCAPED" not in outcome.stdout
    assert SECRET.encode() not in outcome.stdout + outcome.stderr
    assert len(outcome.stdout) <= attack.limits.output_bytes
    assert len(outcome.stderr) <= attack.limits.output_bytes
    assert outcome.cpu_seconds < 2 * attack.limits.cpu_seconds + 2
    assert _machine(host) == before
    assert _marked() == []
    (after,) = sandbox.run(Program(source="print(6 * 7)"), [Input()])
    assert after.stdout == b"42\n"


def _machine(host: tuple[str, ...]) -> dict[str, object]:
    """What attacks must leave as it is."""
    folder = Path(host[0]).parent
    system = ("/", "/etc", "/usr", "/usr/bin", "/bin", "/dev", "/dev/shm", "/var/tmp")
    return {
        "secret": Path(host[0]).read_text(),
        "files": {path: sorted(os.listdir(path)) for path in (*system, folder)},
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "core": Path("/proc/sys/kernel/core_pattern").read_text(),
        "env": os.stat("/usr/bin/env").st_mode,
    }


def _marked() -> list[str]:
    """Processes that attacks left."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdigit()
                and (entry / "comm").read_text().strip() == f"k15-{os.getpid()}"
            ):
                found.append(entry.name)
        except OSError:  # it has just ended
            continue
    return found
