"""The process that crun containers belong to; with its end they end, and their mounts with them.

    CrunSandbox ── keeper ── its child, process 1 of a pid namespace ─┬─ crun run ── container
                   removes what a kill leaves: groups, base         └─ one thread per container

Per container the child gets two sockets: a lease, which carries the container's description and
whose end ends the container, and the container's channel, which becomes its stdin. All mounts are
made in a mount namespace of the child's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
import traceback
from typing import IO, Any

from . import kernel, root, wire

END_SECONDS = 10.0
MS_REMOUNT = 32  # linux/mount.h


def main(descriptor: int, options: dict[str, Any]) -> None:
    """Serve until the socket or the parent ends. Options: base, groups, hidden, crun, flags."""
    options["folder"] = f"{options['base']}/run"
    parent = os.pidfd_open(os.getppid())
    kernel.unshare(kernel.CLONE_NEWPID)
    child = os.fork()
    if child == 0:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.close(parent)
        _serve(socket.socket(fileno=descriptor), options)
        os._exit(0)
    os.close(descriptor)
    gone = os.pidfd_open(child)
    ready, _, _ = select.select([gone, parent], [], [])
    if gone not in ready:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)  # returns when its whole pid namespace is empty
    _remove(options["groups"], options["base"])


def _remove(groups: list[str], folder: str) -> None:
    """The control groups, innermost first, and the folder in which everything was mounted."""
    deadline = time.monotonic() + END_SECONDS
    left = [group for group in groups if os.path.isdir(group)]
    while left and time.monotonic() < deadline:
        for group in left:
            with contextlib.suppress(OSError):  # its last process has not gone yet
                os.rmdir(group)
        left = [group for group in left if os.path.isdir(group)]
        time.sleep(0.01 if left else 0)
    shutil.rmtree(folder, ignore_errors=True)


def _serve(channel: socket.socket, options: dict[str, Any]) -> None:
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    for tree in options["hidden"]:  # crun refuses machines with two kinds of control groups
        kernel.unmount(tree)
    kernel.mount("k15", options["folder"], "tmpfs", kernel.MS_NOSUID, "size=16m,mode=700")
    channel.sendall(b"ready")
    while True:
        _, descriptors, _, _ = socket.recv_fds(channel, 1, 2)
        if not descriptors:
            return
        threading.Thread(target=_hold, args=(*descriptors, options), daemon=True).start()


def _hold(lease_descriptor: int, channel: int, options: dict[str, Any]) -> None:
    """One container from its start to its end."""
    with socket.socket(fileno=lease_descriptor) as lease:
        said = ""
        try:
            request, _ = wire.receive(lease)
            said = _run(request, channel, lease, options)
        except Exception:  # whatever it was, the sandbox has to hear it
            said = traceback.format_exc()
        with contextlib.suppress(OSError):  # nobody may listen any more
            wire.send(lease, {"said": said})


def _run(request: dict[str, Any], channel: int, lease: socket.socket, options: Any) -> str:
    """Returns what crun and the container's process 1 wrote to stderr."""
    name = request["name"]
    bundle = f"{options['folder']}/{name}"
    crun = [options["crun"], "--root", f"{options['folder']}/.crun", *options["flags"]]
    os.mkdir(bundle)
    try:
        with open(f"{bundle}/log", "w+b") as log:
            try:
                _mount_layers(bundle, request)
                command = [*crun, "run", "--bundle", bundle, name]
                process = _start(command, request["entrances"], channel, log)
            finally:  # its end, with process 1's, tells the sandbox
                os.close(channel)
            try:
                _answer(lease, bundle)
            finally:
                delete = [*crun, "delete", "-f", name]
                subprocess.run(delete, stdout=log, stderr=log, timeout=END_SECONDS)
                process.wait(END_SECONDS)
            log.seek(0)
            return log.read().decode(errors="replace")[-2000:]
    finally:
        for mounted in ("merged", "layers"):
            with contextlib.suppress(OSError):  # it was not mounted
                kernel.unmount(f"{bundle}/{mounted}")
        shutil.rmtree(bundle)


def _start(
    command: list[str], entrances: list[str], channel: int, log: IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start it in the control group: the shell enters, and becomes crun."""
    enter = "".join(f"echo 0 > {entrance}; " for entrance in entrances)
    return subprocess.Popen(
        ["/bin/sh", "-ec", f'{enter}exec "$@"', "sh", *command],
        stdin=channel,
        stdout=log,
        stderr=log,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )


def _mount_layers(bundle: str, request: dict[str, Any]) -> None:
    """The image below, a tmpfs of limited size above; all that a program writes is in the tmpfs."""
    layers, merged = f"{bundle}/layers", f"{bundle}/merged"
    upper = f"{layers}/upper"
    size = f"size={request['disk_bytes']},nr_inodes={request['inodes']},mode=755"
    os.makedirs(layers)
    os.mkdir(merged)
    kernel.mount("k15", layers, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, size)
    for path in (upper, f"{layers}/work"):
        os.mkdir(path)
    for path in request["closed"]:  # where the image lets everybody write
        os.makedirs(upper + path, mode=0o755, exist_ok=True)
    for path in (f"{layers}/shm", f"{upper}/tmp", f"{upper}{root.BOX}/work"):
        os.makedirs(path, exist_ok=True)
        os.chmod(path, 0o700)
        os.chown(path, root.USER, root.USER)
    layout = f"lowerdir={request['image']},upperdir={upper},workdir={layers}/work"
    kernel.mount("k15", merged, "overlay", kernel.MS_NOSUID | kernel.MS_NODEV, layout)
    shm = {"destination": "/dev/shm", "type": "bind", "source": f"{layers}/shm"}
    shm_options = {"options": ["bind", "nosuid", "nodev", "noexec"]}
    config = request["config"]
    config["root"] = {"path": merged, "readonly": False}
    config["mounts"].append({**shm, **shm_options})
    with open(f"{bundle}/config.json", "w") as file:
        json.dump(config, file)


def _answer(lease: socket.socket, bundle: str) -> None:
    """Resize the disk when asked to; until the lease ends."""
    with contextlib.suppress(EOFError, ConnectionResetError):
        while True:
            request, _ = wire.receive(lease)
            size = f"size={request['disk_bytes']},nr_inodes={request['inodes']}"
            flags = kernel.MS_NOSUID | kernel.MS_NODEV | MS_REMOUNT
            kernel.mount("k15", f"{bundle}/layers", "tmpfs", flags, size)
            wire.send(lease, {})
