"""The file system that programs see: an empty one, with read-only windows to the host's software.

    /usr /bin /lib* /sbin     as on the host         /box   mounted for each program: its own tmpfs
    the interpreter's library, asked-for folders     /tmp, /dev/shm -> /box/tmp, /box/shm, where
                                                     those of them that lie below /tmp are shown
    /etc   a few files of it                         /proc  mounted for each program: its processes

It is made once, in the zygote's mount namespace; a program's namespace starts as a copy of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from glob import glob

from . import kernel, landlock

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
SETTINGS = ("alternatives", "ld.so.cache", "localtime", "java*", "mono", "php", "ssl/openssl.cnf")
PROCESS_FILES = ("/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat")
DEVICES = ("null", "zero", "full", "random", "urandom")
BOX = "/box"
WORK = f"{BOX}/work"
USER = 1000  # uid and gid inside
FILES = {
    "passwd": f"user:x:{USER}:{USER}::{WORK}:/bin/sh\n",
    "group": f"user:x:{USER}:\n",
    "hosts": "127.0.0.1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
LINKS = {
    "/tmp": f"{BOX}/tmp",
    "/dev/shm": f"{BOX}/shm",
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
}
_OLD = "/.host"
_KEPT = "/.kept"
_READ_ONLY = kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV


def enter(folders: Iterable[str]) -> dict[str, str]:
    """Make the tree, with `folders` of the host visible in it, and move this process into it.

    Needs a mount namespace and a pid namespace of its own, and the right to mount in it. Returns
    what `make_box` is to show in each box, and where: the folders below /tmp and /dev/shm.
    """
    real = {path: os.path.realpath(path) for path in _outermost(folders)}
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", "/tmp", "tmpfs", kernel.MS_NOSUID, "size=1m,mode=755")
    os.chdir("/tmp")
    os.mkdir("." + _OLD)
    kernel.pivot_root(".", "." + _OLD)
    os.chdir("/")
    os.umask(0o022)
    _show_system()
    inner = _show_folders(real)
    _make_files()
    os.mkdir(BOX)
    os.mkdir("/proc")
    hardened = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("proc", "/proc", "proc", hardened)
    kernel.unmount(_OLD)
    os.rmdir(_OLD)
    kernel.set_attributes("/", _READ_ONLY, recursive=False)
    return inner


def rules(folders: Iterable[str], *, everything: bool) -> list[tuple[str, int]]:
    """What Landlock allows besides the box: the tree, or what it would show of the host."""
    if everything:
        return [("/", landlock.READ), ("/dev", landlock.DEVICE)]
    settings = (path for pattern in SETTINGS for path in glob(f"/etc/{pattern}"))
    readable = [*SYSTEM, *folders, *settings, *PROCESS_FILES]
    devices = [(f"/dev/{name}", landlock.DEVICE) for name in DEVICES]
    return [(path, landlock.READ) for path in readable] + devices


def mount_proc() -> None:
    """Show this process's pid namespace in its mount namespace."""
    hardened = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount("proc", "/proc", "proc", hardened, "subset=pid")


def mount_box(disk_bytes: int) -> None:
    """An empty tmpfs of that size at /box."""
    inodes = max(1024, disk_bytes >> 12)
    size = f"size={disk_bytes},nr_inodes={inodes},mode=755"
    kernel.mount("tmpfs", BOX, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, size)


def make_box(box: str, inner: Mapping[str, str]) -> str:
    """Lay out an empty box, with what `enter` kept for it; returns the working directory in it."""
    for name in ("work", "tmp", "shm"):
        os.mkdir(f"{box}/{name}", 0o700)
    for source, target in inner.items():
        _show(target, source)
    return f"{box}/work"


def _outermost(folders: Iterable[str]) -> list[str]:
    """The folders that lie in no other of them, and not in the system's."""
    found = [path for path in SYSTEM if not os.path.islink(path)]
    for path in sorted(folders):
        if not any(path == other or path.startswith(f"{other}/") for other in found):
            found.append(path)
    return [path for path in found if path not in SYSTEM]


def _show_folders(real: Mapping[str, str]) -> dict[str, str]:
    """Show folders at their paths, and keep for the boxes those whose paths lead there."""
    inner = {}
    for number, (path, source) in enumerate(real.items()):
        link = next((link for link in LINKS if path.startswith(f"{link}/")), None)
        if link is None:
            _show(path, _OLD + source)
        else:
            inner[f"{_KEPT}/{number}"] = LINKS[link] + path.removeprefix(link)
            _show(f"{_KEPT}/{number}", _OLD + source)
    return inner


def _show_system() -> None:
    for path in SYSTEM:
        if os.path.islink(_OLD + path):
            os.symlink(os.readlink(_OLD + path), path)
        elif os.path.isdir(_OLD + path):
            _show(path, _OLD + path)
    for pattern in SETTINGS:
        for path in glob(f"{_OLD}/etc/{pattern}"):
            _show(path.removeprefix(_OLD), os.path.realpath(path))


def _make_files() -> None:
    for name, text in FILES.items():
        with open(f"/etc/{name}", "w") as file:
            file.write(text)
    for name in DEVICES:
        os.makedirs("/dev", exist_ok=True)
        open(f"/dev/{name}", "w").close()
        attributes = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NOEXEC
        kernel.bind(f"{_OLD}/dev/{name}", f"/dev/{name}", attributes)
    for path, target in LINKS.items():
        os.symlink(target, path)


def _show(path: str, source: str) -> None:
    """Bind a file or folder, read-only."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.isdir(source):
        os.mkdir(path)
    else:
        open(path, "w").close()
    kernel.bind(source, path, _READ_ONLY)
