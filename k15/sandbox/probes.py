"""Proof, when a local sandbox starts, that its jails hold: attempts that have to fail."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Iterable

from k15.sandbox.jail_process import JailBroken
from k15.sandbox.jailer import File, Jail, Job
from k15.sandbox.protocol import Limits

SIGNALS = "programs can reach processes outside"
PROBE = """
import ctypes, json, os, socket, sys

path, pid, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
broken = []

def refused(what, attempt):
    try:
        attempt()
    except OSError:
        return
    broken.append(what)

def unshare():
    if ctypes.CDLL(None).unshare(0x10000000):
        raise OSError

refused("programs can read files of this machine", lambda: open(path).read())
refused("programs can write to system folders", lambda: open("/usr/k15-probe", "w"))
refused("programs can reach the network", lambda: socket.create_connection(("127.0.0.1", port), 5))
refused("programs can reach processes outside", lambda: os.kill(pid, 0))
refused("programs can make namespaces", unshare)
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status"))
if int(status["CapEff"], 16) or int(status["CapPrm"], 16):
    broken.append("programs have capabilities")
if status["Seccomp"].strip() != "2" or status["NoNewPrivs"].strip() != "1":
    broken.append("programs are not filtered by seccomp")
print(json.dumps(broken))
"""


def prove(jail: Jail, *, tolerated: Iterable[str] = ()) -> Jail:
    """The same jail; raises JailBroken with what it does not contain, after closing it.

    Args:
        tolerated: what it need not contain, in the words of the probe.
    """
    try:
        broken = [failure for failure in _attempt(jail) if failure not in tolerated]
        if broken:
            raise JailBroken("; ".join(broken))
    except JailBroken:
        jail.close()
        raise
    return jail


def _attempt(jail: Jail) -> list[str]:
    with tempfile.NamedTemporaryFile() as secret, socket.create_server(("127.0.0.1", 0)) as server:
        arguments = (secret.name, str(os.getpid()), str(server.getsockname()[1]))
        job = Job(
            source="probe.py",
            arguments=arguments,
            files={"probe.py": File(content=PROBE.encode())},
            environment={},
            limits=Limits(),
        )
        outcome = jail.run(job, b"").outcome
    if outcome.cause != "ok":
        raise JailBroken(f"the probe did not run: {outcome}")
    return json.loads(outcome.stdout)
