"""What a container is told to be: the config.json of the OCI runtime specification 1.0.2."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from k15.sandbox.jail import seccomp
from k15.sandbox.languages import ENVIRONMENT

RIGHTS = ["CAP_KILL", "CAP_SETGID", "CAP_SETUID"]
"""Of process 1: end programs, and become their user before each. Programs have none."""
_NAMESPACES = 0x7E020000  # CLONE_NEW* of clone(2), those that clone takes
_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97
_AF_UNIX = 1


def config(command: Iterable[str], binds: Mapping[str, str]) -> dict[str, Any]:
    """A container that runs `command` as its process 1.

    `binds` maps paths in the container to those of the host that are shown there, read-only. The
    root file system is left for the keeper to fill in.
    """
    return {
        "ociVersion": "1.0.2",
        "hostname": "sandbox",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": list(command),
            "env": ["PATH=/usr/bin:/bin", *map("=".join, ENVIRONMENT.items())],
            "cwd": "/",
            "noNewPrivileges": True,
            "capabilities": {
                kind: RIGHTS if kind in ("bounding", "effective", "permitted") else []
                for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")
            },
            "rlimits": [
                {"type": "RLIMIT_NOFILE", "soft": 256, "hard": 256},
                {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
            ],
        },
        "mounts": _mounts(binds),
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")],
            "seccomp": _seccomp(),
        },
    }


def _mounts(binds: Mapping[str, str]) -> list[dict[str, Any]]:
    own = [
        ("/proc", "proc", ["nosuid", "noexec", "nodev", "subset=pid"]),
        ("/dev", "tmpfs", ["nosuid", "noexec", "mode=755", "size=64k"]),
    ]
    mounts: list[dict[str, Any]] = [
        {"destination": path, "type": kind, "source": kind, "options": options}
        for path, kind, options in own
    ]
    options = ["rbind", "ro", "nosuid", "nodev"]
    return mounts + [
        {"destination": path, "type": "bind", "source": source, "options": options}
        for path, source in sorted(binds.items())
    ]


def _seccomp() -> dict[str, Any]:
    """The filter of the local sandbox, in words."""
    refused = [{"names": sorted(seccomp.REFUSED), "action": "SCMP_ACT_ERRNO", "errnoRet": _EPERM}]
    missing = [{"names": sorted(seccomp.MISSING), "action": "SCMP_ACT_ERRNO", "errnoRet": _ENOSYS}]
    masked = [
        {"index": 0, "value": bit, "valueTwo": bit, "op": "SCMP_CMP_MASKED_EQ"}
        for bit in (1 << n for n in range(32))
        if bit & _NAMESPACES
    ]
    clone = [
        {"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": _EPERM, "args": [flag]}
        for flag in masked
    ]
    other_families = {
        "names": ["socket"],
        "action": "SCMP_ACT_ERRNO",
        "errnoRet": _EAFNOSUPPORT,
        "args": [{"index": 0, "value": _AF_UNIX, "op": "SCMP_CMP_NE"}],
    }
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
        "syscalls": [*refused, *missing, *clone, other_families],
    }
