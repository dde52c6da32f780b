"""Hugging Face folders of several moments of a run, of which one is the best.

    models/epoch_0005        after the fifth epoch (of RL: iteration)
    models/epoch_0005-2      the same moment again, by a run that went back and came along once more
    models/best -> epoch_0005

A folder gets its name when it is whole, and is never written into again; the link is exchanged in
one step. So whatever ends the process, what was there before is there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

from k15.folders import UNFINISHED

NAME = re.compile(r"epoch_(\d{4,})(?:-(\d+))?")
BEST = "best"


class ModelFolders:
    """`save` writes a model into a folder that is not there yet."""

    def __init__(self, folder: Path, save: Callable[[Path], None]) -> None:
        self.folder = folder
        self.save = save

    def write(self, epochs: int) -> Path:
        """A new folder for the moment after so many epochs."""
        unfinished = self.folder / f"epoch_{epochs:04d}{UNFINISHED}"
        rmtree(unfinished, ignore_errors=True)  # of a killed process
        self.save(unfinished)
        return unfinished.rename(self._unused(epochs))

    def choose(self, best: Path) -> None:
        """Let `best` lead to a folder."""
        beside = self.folder / f"{BEST}{UNFINISHED}"
        beside.unlink(missing_ok=True)
        beside.symlink_to(best.name)
        beside.replace(self.folder / BEST)

    def clean(self, wanted: Callable[[int], bool], keep: int) -> None:
        """Leave the best one and the newest `keep` after epochs that are `wanted`, one of each."""
        found = self.found()
        newest = {epochs: path for epochs, path in found if wanted(epochs)}
        kept = [*newest.values()][-keep:]
        for _, path in found:
            if path not in kept and path.name != self.best():
                rmtree(path)

    def found(self) -> list[tuple[int, Path]]:
        """Epochs and folder of each, in the order in which they came into being."""
        matches = [(NAME.fullmatch(path.name), path) for path in self.folder.glob("epoch_*")]
        numbered = [(int(m[1]), int(m[2] or 1), path) for m, path in matches if m]
        return [(epochs, path) for epochs, _, path in sorted(numbered)]

    def best(self) -> str | None:
        """The name of the best one."""
        link = self.folder / BEST
        return link.readlink().name if link.is_symlink() else None

    def _unused(self, epochs: int) -> Path:
        numbers = ("", *(f"-{n}" for n in range(2, 1000)))
        paths = (self.folder / f"epoch_{epochs:04d}{number}" for number in numbers)
        return next(path for path in paths if not path.exists())
