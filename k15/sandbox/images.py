"""The folders that containers see as their root: this machine's software, or an image of its own.

    python -m k15.sandbox.images build DIR [--languages python,cpp] [--suite bookworm]

makes one with debootstrap (as root). It holds Debian and the toolchains of the languages, and
nothing of this machine.
"""

from __future__ import annotations

import argparse
import os
import shutil
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from glob import glob
from pathlib import Path

from k15.sandbox.jail import root
from k15.sandbox.languages import PATH, TOOLCHAINS
from k15.sandbox.protocol import LANGUAGES, Language


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    folder: Path
    python: str
    """The interpreter's path in it."""
    binds: dict[str, str] = field(default_factory=dict)
    """What of the host is shown in it: path in the container to path on the host."""
    closed: tuple[str, ...] = ()
    """Folders that everybody may write to, for which a container has no use."""

    def has(self, executable: str) -> bool:
        """Whether it is on the PATH inside."""
        return any(
            os.path.lexists(f"{self.folder}{folder}/{executable}") for folder in PATH.split(":")
        )


def of_host(folder: Path, python: str, extra: Iterable[str]) -> Image:
    """Make an almost empty tree in `folder`, in which the host's software is shown.

    `extra` are the host's folders and files beside the system's, such as those of `python`.
    """
    binds: dict[str, str] = {}
    for path in root.SYSTEM:
        if os.path.islink(path):
            (folder / path[1:]).symlink_to(os.readlink(path))
        elif os.path.isdir(path):
            binds[path] = path
    for pattern in root.SETTINGS:
        binds.update({path: os.path.realpath(path) for path in glob(f"/etc/{pattern}")})
    binds.update({path: path for path in extra if not path.startswith("/usr/")})
    (folder / "etc").mkdir()
    for name, text in root.FILES.items():
        (folder / "etc" / name).write_text(text)
    for name in ("dev", "proc", "tmp", root.BOX[1:]):
        (folder / name).mkdir()
    for path in binds:
        target = folder / path[1:]
        for parent in reversed(target.parents):
            if not parent.exists():  # to be passed through, not to be looked into
                parent.mkdir(mode=0o711)
        target.mkdir() if os.path.isdir(path) else target.touch()
    return Image(folder=folder, python=python, binds=binds)


def of_folder(folder: Path) -> Image:
    """Use an image that was built. Raises ValueError if it is not one, with the command."""
    if not os.path.lexists(folder / "usr/bin/python3"):
        raise ValueError(
            f"sandbox.image={str(folder)!r} has no usr/bin/python3; make an image with "
            f"`python -m k15.sandbox.images build {folder}`"
        )
    if set(":,\\") & set(str(folder.resolve())):
        raise ValueError(f"sandbox.image={str(folder)!r}: no ':', ',' or '\\' in its path, please")
    return Image(folder=folder.resolve(), python="/usr/bin/python3", closed=_open_folders(folder))


def _open_folders(folder: Path) -> tuple[str, ...]:
    found = []
    for place, folders, _ in os.walk(folder):
        folders[:] = [name for name in folders if not os.path.islink(f"{place}/{name}")]
        inside = "/" + os.path.relpath(place, folder)
        if os.stat(place).st_mode & stat.S_IWOTH and inside not in ("/.", "/tmp"):
            found.append(inside)
    return tuple(found)


def build(folder: Path, languages: Iterable[Language], suite: str, mirror: str | None) -> None:
    """Raises subprocess.CalledProcessError where debootstrap fails (it needs root)."""
    if shutil.which("debootstrap") is None:
        raise SystemExit("debootstrap is not installed: apt-get install debootstrap")
    wanted = [
        "python3",
        *(name for lang in languages for name in TOOLCHAINS[lang].packages.split()),
    ]
    packages = ",".join(dict.fromkeys(wanted))
    options = ["--variant=minbase", f"--include={packages}"]
    more = [mirror] if mirror else []
    subprocess.run(["debootstrap", *options, suite, str(folder), *more], check=True)
    for name, text in {**root.FILES, "resolv.conf": "", "hostname": "sandbox\n"}.items():
        (folder / "etc" / name).write_text(text)  # some of them debootstrap copied from here


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m k15.sandbox.images")
    command = parser.add_subparsers(dest="command", required=True).add_parser("build")
    command.add_argument("folder", type=Path)
    command.add_argument("--languages", default="python", help=f"of {','.join(LANGUAGES)}, or all")
    command.add_argument("--suite", default="bookworm")
    command.add_argument("--mirror", help="debootstrap's own by default")
    given = parser.parse_args()
    languages = LANGUAGES if given.languages == "all" else tuple(given.languages.split(","))
    if unknown := set(languages) - set(LANGUAGES):
        parser.error(f"--languages {','.join(sorted(unknown))}: choose of {', '.join(LANGUAGES)}")
    build(given.folder, languages, given.suite, given.mirror)


if __name__ == "__main__":
    main()
