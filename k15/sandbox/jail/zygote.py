"""The process that programs are forked from: clean, warm and without a way out.

    LocalSandbox ── keeper (this file's `main`) ── zygote ─┬─ guard (pid 1) ── program
                       ends with LocalSandbox              └─ one program at a time

Run by a bare interpreter, with no environment but its programs', as `main(socket, options)`. A
guard is made ahead, and reads the program that it is for by itself: nothing of any program is ever
in the zygote's memory, which all programs start with a copy of.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import sys
from typing import Any

from . import files, guard, kernel, root, seccomp

PRELOADED = (
    "abc array atexit base64 bisect builtins cmath codecs collections.abc contextlib copy"
    " dataclasses datetime decimal enum fractions functools gc heapq io itertools json linecache"
    " math numbers operator os queue random re resource signal statistics string struct subprocess"
    " sys textwrap threading time traceback types typing unicodedata warnings"
)
"""Modules that programs import often; each makes every fork a little dearer."""
NOBODY = 65534
FIRST_USER = 1 << 30
"""Plus a process id: a user that nobody else is."""
_NAMESPACES = kernel.CLONE_NEWNS | kernel.CLONE_NEWPID
_PER_PROGRAM = (
    _NAMESPACES
    | kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
)


def main(descriptor: int, options: dict[str, Any]) -> None:
    """Serve until the socket ends or the parent dies.

    Options: namespaces (has programs in their own), folders (of the host that they may read),
    temporary (the host's folder for temporary files, used where there are no namespaces).
    """
    channel = socket.socket(fileno=descriptor)
    parent = os.pidfd_open(os.getppid())
    if options["namespaces"]:
        _unshare_with_own_ids()
    else:
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
        options["inner"] = {}
        options["own_user"] = os.geteuid() == 0
        options["box"] = _make_box(options["temporary"])
    zygote = os.fork()
    if zygote == 0:
        os.close(parent)
        _become_zygote(options)
        channel.send(b"ready")
        _serve(channel, options)
        os._exit(0)
    channel.close()
    _keep(zygote, parent)
    if not options["namespaces"]:
        guard.end_descendants()
        files.empty(options["box"])
        os.rmdir(options["box"])


def _keep(zygote: int, parent: int) -> None:
    """Wait for the zygote's end; bring it about when the parent dies."""
    gone = os.pidfd_open(zygote)
    ready, _, _ = select.select([gone, parent], [], [])
    if gone not in ready:
        os.kill(zygote, signal.SIGKILL)
    os.waitpid(zygote, 0)  # where it has a pid namespace, this returns when that is empty


def _unshare_with_own_ids() -> None:
    """New mount and pid namespaces; without root, in a user namespace that gives the right."""
    if os.geteuid() == 0:
        kernel.unshare(_NAMESPACES)
        return
    ids = os.geteuid(), os.getegid()
    kernel.unshare(_NAMESPACES | kernel.CLONE_NEWUSER)
    guard.map_ids(*ids, outer=ids)


def _become_zygote(options: dict[str, Any]) -> None:
    for name in PRELOADED.split():
        importlib.import_module(name)
    options["filter"] = seccomp.compile_filter(namespaces=options["namespaces"])
    options["rules"] = root.rules(options["folders"], everything=options["namespaces"])
    options["own_modules"] = [name for name in sys.modules if name.partition(".")[0] == "jail"]
    if options["namespaces"]:
        options["inner"] = root.enter(options["folders"])
        if os.geteuid() == 0:
            _become(NOBODY)
    elif os.geteuid() == 0:
        _become(os.stat(options["box"]).st_uid)
        os.listdir(os.path.dirname(os.__file__))  # fails where only root can read the library
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # or a program could interrupt its guard
    kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)  # setting ids clears it
    gc.collect()
    gc.freeze()


def _make_box(folder: str) -> str:
    """The host's folder that stands in for the tmpfs. For root, it belongs to a user of its own.

    The limit on processes is the kernel's, which counts them per user and never limits root.
    """
    box = f"{folder}/k15-box-{os.urandom(8).hex()}"
    os.mkdir(box, 0o700)
    if os.geteuid() == 0:
        user = FIRST_USER + os.getpid()
        os.chown(box, user, user)
    return box


def _become(user: int) -> None:
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _serve(channel: socket.socket, options: dict[str, Any]) -> None:
    """Keep one guard ready, that takes the next program; until the socket ends."""
    status = 0
    while status == 0:
        child = kernel.clone(_PER_PROGRAM if options["namespaces"] else 0)
        if child == 0:
            try:
                os._exit(guard.main(channel, options))
            finally:
                os._exit(1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
