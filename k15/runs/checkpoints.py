"""Checkpoints one can trust: their names, and the checksums in them.

    epoch=00006.ckpt                 the end of the seventh epoch (of RL: iteration)
    epoch=00007-step=00000350.ckpt   within the eighth one, after optimizer step 350
    <what torch.save writes>\\nsha256 <64 hex digits>\\n

PyTorch and zip tools pass over what stands behind the end of an archive, so these are ordinary
checkpoints to everybody else, and their checksum goes with them wherever they are copied.

A checkpoint in parts is a folder of such a name. Its file `sums` has a line for each of the others,
as sha256sum writes it, and ends in its own checksum.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, BinaryIO

from k15.folders import sha256

NAME = re.compile(r"epoch=(\d{5,})(-step=\d{8,})?\.ckpt")
MARK = b"\nsha256 "
SEAL = len(MARK) + 64 + 1
BLOCK = 1 << 20
SUMS = "sums"


def name_of(epoch: int, step: int | None = None) -> str:
    """Of the checkpoint at the end of an epoch, or within it; newer names sort behind older ones,
    for `-` sorts before `.`.
    """
    return f"epoch={epoch:05d}.ckpt" if step is None else f"epoch={epoch:05d}-step={step:08d}.ckpt"


def epochs_done(path: Path) -> int | None:
    """Finished epochs in a checkpoint, by its name; None where the name does not tell."""
    found = NAME.fullmatch(path.name)
    return int(found[1]) + (found[2] is None) if found else None


class Sealed:
    """A binary file to write; `seal` adds the checksum of what was written.

    torch.save hides an error of its file behind one of its own, so the first one waits for `seal`.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sum = hashlib.sha256()
        self._error: OSError | None = None

    def write(self, data: Any) -> int:
        """Write bytes, or nothing any more once that has failed."""
        self._sum.update(data)
        if self._error is None:
            try:
                self._file.write(data)
            except OSError as error:
                self._error = error
        return memoryview(data).nbytes

    def flush(self) -> None:
        """As every file has it; `seal` is what counts."""

    def seal(self) -> None:
        """Write the checksum; raises the OSError that kept bytes from being written."""
        if self._error is not None:
            raise self._error
        self._file.write(MARK + self._sum.hexdigest().encode() + b"\n")


def fault(path: Path) -> str:
    """Why a checkpoint cannot be trusted; empty if every byte is as it was written."""
    try:
        if path.is_dir():
            return _fault_of_parts(path)
        with path.open("rb") as file:
            return _fault(file, path.stat().st_size - SEAL)
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _fault(file: BinaryIO, length: int) -> str:
    found = hashlib.sha256()
    for at in range(0, max(length, 0), BLOCK):
        found.update(file.read(min(BLOCK, length - at)))
    seal = file.read()
    if length < 0 or not seal.startswith(MARK):
        return "is torn: it does not end in a checksum"
    if seal != MARK + found.hexdigest().encode() + b"\n":
        return "is damaged: its checksum is another"
    return ""


def _fault_of_parts(folder: Path) -> str:
    if not (folder / SUMS).is_file():
        return f"is torn: it has no file {SUMS}"
    if reason := fault(folder / SUMS):
        return f"{reason} ({SUMS})"
    lines = (folder / SUMS).read_bytes().rpartition(MARK)[0].decode().splitlines()
    for found, _, name in (line.partition("  ") for line in lines):
        if not (folder / name).is_file():
            return f"is torn: {name} is not there"
        if sha256(folder / name) != found:
            return f"is damaged: the checksum of {name} is another"
    return ""
