"""Files of a program's box, laid down and picked up by the trusted side."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence

DEEPEST = 16
"""Folders below the working directory that are looked into for what a compiler left."""


class Unfit(Exception):
    """A program's files are more than its limit allows, or have names that no file can have."""


def write_files(
    work: str, files: Sequence[tuple[str, bool]], contents: Sequence[bytes], *, limited: bool = True
) -> None:
    """Write them below the folder `work`; each is a relative name and whether it is executable.

    Raises Unfit where that is the program's own fault.

    Args:
        limited: the disk is the program's own; else a full one is this machine's.
    """
    for (name, executable), content in zip(files, contents, strict=True):
        path = f"{work}/{name}"
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "xb") as file:
                file.write(content)
            os.chmod(path, 0o755 if executable else 0o644)
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG or (error.errno == errno.ENOSPC and limited):
                raise Unfit(f"{name[:100]}: {error.strerror}") from error
            raise


def collect(work: str, most: int) -> Iterator[tuple[str, bool, bytes]]:
    """The regular files in `work`, up to `most` bytes; links, pipes and devices are left out.

    Yields relative name, executable, content.
    """
    for folder, inner, names, place in os.fwalk(work):
        if folder.count("/") - work.count("/") >= DEEPEST:
            inner.clear()
        for name in names:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            try:
                file = os.open(name, flags, dir_fd=place)
            except OSError:  # a link, or nothing that can be read
                continue
            with open(file, "rb") as stream:
                kind = os.fstat(file)
                if not stat.S_ISREG(kind.st_mode) or kind.st_size > most:
                    continue
                content = stream.read(most)
            most -= len(content)
            yield os.path.relpath(f"{folder}/{name}", work), bool(kind.st_mode & 0o100), content


def empty(top: str) -> None:
    """Remove everything in the folder, however deep: folders are first moved up, then removed."""
    os.chmod(top, 0o700)
    while names := os.listdir(top):
        for name in names:
            _flatten(top, f"{top}/{name}")


def _flatten(top: str, path: str) -> None:
    if os.path.islink(path) or not os.path.isdir(path):
        os.unlink(path)
        return
    os.chmod(path, 0o700)
    for inner in os.listdir(path):
        inside = f"{path}/{inner}"
        if os.path.isdir(inside) and not os.path.islink(inside):
            os.chmod(inside, 0o700)  # a folder is only moved by who may write to it
        os.rename(inside, f"{top}/{os.urandom(8).hex()}")
    os.rmdir(path)
