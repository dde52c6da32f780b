"""Landlock: what a process and its children may do with files, network and other processes.

Rules add to what the kernel refuses anyway; they need no privilege and cannot be taken back. The
constants are those of linux/landlock.h; see Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

from . import kernel

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_GET_VERSION = 1
_PATH_BENEATH = 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_MAKE_DIR, _MAKE_REG, _MAKE_SOCK, _MAKE_FIFO, _MAKE_SYM = 1 << 7, 1 << 8, 1 << 9, 1 << 10, 1 << 12
_REFER, _TRUNCATE = 1 << 13, 1 << 14
READ = EXECUTE | READ_FILE | READ_DIR
DEVICE = READ_FILE | WRITE_FILE
WRITE = READ | WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _MAKE_SYM
WRITE |= _MAKE_SOCK | _MAKE_FIFO | _REFER | _TRUNCATE
_FOR_FILES = EXECUTE | WRITE_FILE | READ_FILE | _TRUNCATE
_RIGHTS_BY_VERSION = (13, 14, 15, 15, 16)  # number of rights on files; 16 from version 5 on


def version() -> int:
    """Of Landlock in this kernel; 0 where there is none."""
    try:
        return kernel.syscall("landlock", _CREATE, 0, 0, _GET_VERSION)
    except OSError:
        return 0


def restrict(paths: Iterable[tuple[str, int]]) -> None:
    """Allow this process what `paths` lists, a path and its rights, and nothing else.

    Refused besides: TCP (version 4), abstract unix sockets of and signals to processes outside
    (version 6). Paths that do not exist are left out. Needs PR_SET_NO_NEW_PRIVS.
    """
    abi = version()
    handled = (1 << _RIGHTS_BY_VERSION[min(abi, 5) - 1]) - 1
    network = 3 if abi >= 4 else 0
    scoped = 3 if abi >= 6 else 0
    attributes = struct.pack("=QQQ", handled, network, scoped)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = kernel.syscall("landlock_create_ruleset", _CREATE, attributes, size, 0)
    for path, rights in paths:
        _allow(ruleset, path, rights & handled)
    kernel.syscall("landlock_restrict_self", _RESTRICT, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not os.path.isdir(path):
        rights &= _FOR_FILES
    rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, place))
    kernel.syscall(f"landlock_add_rule {path}", _ADD, ruleset, _PATH_BENEATH, rule, 0)
    os.close(place)
