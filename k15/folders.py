"""Folders of runs on a disk that is shared and may fill up: names, locks, files that are whole."""

from __future__ import annotations

import datetime
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from k15.config.errors import ConfigError

UNFINISHED = ".unfinished"
"""How the name of a file ends while it is written; a killed process leaves such files."""


def unused_folder(parent: Path) -> Path:
    """A folder named by the time."""
    name = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    candidates = (parent / name, *(parent / f"{name}-{n}" for n in range(2, 1000)))
    return next(folder for folder in candidates if not folder.exists())


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder, which is made; the kernel unlocks it for the dead.

    Raises ConfigError with its number if another process is writing there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ConfigError(
                f"run_dir={folder}: process {lock.read().strip()} is writing there; wait for it, "
                "or choose another folder"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """A file that is there as a whole or, whatever ends the process or fills the disk, as before.

    It is written beside its place, for a rename is atomic within one file system only; file and
    name are on the disk when the block ends.
    """
    beside = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with suppress(OSError):  # the first error says what is wrong
            beside.unlink(missing_ok=True)
        raise
    sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """The same for a short text."""
    with whole(path) as file:
        file.write(text.encode())


def remove(path: Path) -> None:
    """A file or a folder, if it is there; one that is being removed has another name."""
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    if not path.name.endswith(UNFINISHED):
        path = path.rename(path.with_name(f".{path.name}.old{UNFINISHED}"))
    shutil.rmtree(path)


def sync(path: Path) -> None:
    """A file's content, or the names that were made or changed in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(file: Path) -> str:
    """Checksum of a file's content, in hex digits."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
