"""The system calls that Python's `os` lacks; each raises OSError with the call's name.

Manual pages: clone(2), mount(2), mount_setattr(2), pivot_root(2), prctl(2), capset(2).
"""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP = 36, 38, 22

_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_SIGCHLD = 17
_CAPABILITIES_V3 = 0x20080522
_NUMBERS = {
    "x86_64": {"clone": 56, "capset": 126, "pivot_root": 155},
    "aarch64": {"clone": 220, "capset": 91, "pivot_root": 41},
}
MACHINE = os.uname().machine
_libc = ctypes.CDLL(None, use_errno=True)


def supported() -> bool:
    """Whether the calls' numbers are known for this processor."""
    return MACHINE in _NUMBERS


def syscall(name: str, number: int, *arguments: int | bytes | ctypes.Array) -> int:
    """Make a system call; integers are passed as 64 bits."""
    converted = (ctypes.c_long(a) if isinstance(a, int) else a for a in arguments)
    return _checked(name, _libc.syscall(ctypes.c_long(number), *converted))


def clone(flags: int) -> int:
    """Fork into new namespaces; 0 in the child. Only for a process with one thread."""
    return syscall("clone", _NUMBERS[MACHINE]["clone"], flags | _SIGCHLD, 0, 0, 0, 0)


def unshare(flags: int) -> None:
    _checked("unshare", _libc.unshare(flags))


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    arguments = (source.encode(), target.encode(), kind.encode())
    result = _libc.mount(*arguments, ctypes.c_ulong(flags), data.encode())
    _checked(f"mount {kind or source} on {target}", result)


def bind(source: str, target: str, attributes: int) -> None:
    """Show `source`, a file or a folder with all that is mounted in it, at `target`."""
    mount(source, target, "", MS_BIND | MS_REC)
    set_attributes(target, attributes, recursive=True)


def set_attributes(target: str, attributes: int, *, recursive: bool) -> None:
    """Add MOUNT_ATTR_ flags to a mount."""
    fields = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    what = f"mount_setattr {target}"
    syscall(what, 442, _AT_FDCWD, target.encode(), flags, fields, ctypes.sizeof(fields))


def unmount(target: str) -> None:
    _checked(f"umount {target}", _libc.umount2(target.encode(), MNT_DETACH))


def pivot_root(new: str, old: str) -> None:
    syscall("pivot_root", _NUMBERS[MACHINE]["pivot_root"], new.encode(), old.encode())


def prctl(option: int, *arguments: int) -> None:
    padded = [*arguments, 0, 0, 0, 0][:4]
    converted = (ctypes.c_ulong(a) for a in padded)
    _checked(f"prctl({option})", _libc.prctl(ctypes.c_int(option), *converted))


def drop_capabilities() -> None:
    """All, and for good: PR_SET_NO_NEW_PRIVS keeps exec from giving any back."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_V3, 0)
    syscall("capset", _NUMBERS[MACHINE]["capset"], header, (ctypes.c_uint32 * 6)())
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def _checked(what: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result
