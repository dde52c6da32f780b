"""The default sandbox: this machine's kernel, no root, no daemon, no binary.

A program is forked from a clean process into user, pid, network, IPC and mount namespaces of its
own; its file system is a small tmpfs beside read-only system folders; Landlock, seccomp, resource
limits and the loss of all capabilities are put on top. docs/sandbox.md says what was measured.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable

from k15.sandbox import probes
from k15.sandbox.jail import kernel, landlock
from k15.sandbox.jail_process import JailBroken
from k15.sandbox.jailed import JailedSandbox, checked_folders, python_folders
from k15.sandbox.jailer import Jail
from k15.sandbox.languages import PATH

logger = logging.getLogger(__name__)

OTHERS = "choose sandbox=crun (needs root and crun) or sandbox=e2b (a cloud service)"
NOT_CONTAINED = (
    "how much a program writes to disk in total, and in how many files",
    "that it sees which files exist in system folders, and this machine's network and users",
    "that it changes modes and times of this user's files (it cannot read or write them)",
)


class LocalSandbox(JailedSandbox):
    """Runs programs in jails on this machine; see the module."""

    name = "local"

    def __init__(
        self,
        *,
        folders: Iterable[str] = (),
        python: str | None = None,
        namespaces: bool | None = None,
    ) -> None:
        """Start nothing yet.

        Args:
            python: the interpreter that Python programs get, 3.11 or later, without what is
                installed into it besides its standard library; by default this process's.
            folders: more of this machine that programs may read, such as a toolchain in /opt/x,
                whose executables are in /opt/x/bin; raises ValueError for one that is not there.
            namespaces: None takes them where the kernel grants them, and warns where it does not;
                True raises then; False does without.
        """
        super().__init__(python=python)
        self._folders = checked_folders(folders, own=("/proc", "/box"))
        self._wanted = namespaces
        self._namespaces = namespaces is not False

    def _jail(self) -> Jail:
        return Jail(self._python, self._readable, namespaces=self._namespaces)

    def _open(self) -> Jail:
        _check_kernel()
        self._readable = [*python_folders(self._python), *self._folders]
        self._namespaces = self._wanted is not False
        reason = "namespaces=False"
        if self._namespaces:
            try:
                return probes.prove(self._jail())
            except JailBroken as error:
                if self._wanted:
                    raise
                reason = str(error)
        self._namespaces = False
        try:
            tolerated = [probes.SIGNALS] if landlock.version() < 6 else []
            jail = probes.prove(self._jail(), tolerated=tolerated)
        except JailBroken as error:
            raise JailBroken(f"with namespaces: {reason}; without: {error}; {OTHERS}") from error
        _warn(reason)
        return jail

    def _path(self) -> str:
        return os.pathsep.join([PATH, *(f"{folder}/bin" for folder in self._folders)])


def _check_kernel() -> None:
    """Raise RuntimeError where not even the weaker mode can protect."""
    if sys.platform != "linux" or not kernel.supported():
        raise RuntimeError(f"sandbox=local needs Linux on x86_64 or aarch64: {OTHERS}")
    if not landlock.version():
        raise RuntimeError(
            "sandbox=local needs Landlock: Linux 5.13 or later, booted with it in lsm=; or "
            + OTHERS
        )


def _warn(reason: str) -> None:
    missing = list(NOT_CONTAINED)
    if landlock.version() < 4:
        missing.append("nothing of the network is refused by Landlock, only by seccomp")
    if landlock.version() < 6:
        missing.append("signals to other processes of this user")
    logger.warning(
        "sandbox=local runs WITHOUT namespaces (%s): Landlock, seccomp and limits only. It does "
        "not contain: %s. %s",
        reason,
        "; ".join(missing),
        OTHERS,
    )
