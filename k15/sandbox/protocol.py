"""The contract between whoever has a program to run and whatever keeps it locked in.

    program ─ compiled once ─► run per input ─► outcome, with the cause of its end

A sandbox never says whether a program is right: it reports what the program did. Comparing outputs
is done outside (`k15.graders.code.judge`), where the program cannot reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

Language = Literal["python", "cpp", "java", "csharp", "javascript", "typescript", "php", "bash"]
LANGUAGES: tuple[Language, ...] = get_args(Language)

Cause = Literal["ok", "wall", "cpu", "memory", "output", "crash", "compile", "infrastructure"]
"""Why a run ended: by itself with exit status 0; at the limit of wall-clock time, CPU time, memory
or output; by itself otherwise; it never compiled; the sandbox failed, which says nothing about the
program.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run (or the compilation) may take.

    CPU time is what decides: on a busy machine it stays the same. Wall-clock time only ends
    programs that sleep or wait.
    """

    cpu_seconds: float = 3.0
    wall_seconds: float = 60.0
    memory_mib: int = 512
    output_bytes: int = 2**20
    """Of stdout and of stderr, each; the program is ended where it writes more."""
    disk_mib: int = 64
    processes: int = 64

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ValueError(f"sandbox limits: {name}={getattr(self, name)} must be above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One source file, and files that lie beside it in its working directory."""

    source: str
    language: Language = "python"
    files: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.language not in LANGUAGES:
            raise ValueError(f"language={self.language!r}: choose one of {', '.join(LANGUAGES)}")
        _check_names(self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """What one run of a program is given."""

    stdin: bytes = b""
    arguments: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Added to the program's own files for this run."""

    def __post_init__(self) -> None:
        _check_names(self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a program did with one input."""

    cause: Cause
    stdout: bytes = b""
    stderr: bytes = b""
    exit: int | None = None
    """Exit status, minus the signal's number if a signal ended it; None if it never ran."""
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    memory_mib: float = 0.0
    """Peak."""
    detail: str = ""
    """For a person: what the compiler said, or what broke in the sandbox."""


class Sandbox(Protocol):
    """Runs untrusted programs; callable from any thread, as many at a time as there are threads."""

    def run(
        self, program: Program, inputs: Iterable[Input], limits: Limits = Limits()
    ) -> Iterator[Outcome]:
        """Compile `program` once, then run it on each input; yield one outcome per input.

        Runs one input at a time and only when the next outcome is asked for, so that closing the
        iterator (or leaving its loop) stops there and removes everything. Where the program does
        not compile, each outcome has the cause "compile"; where the sandbox breaks, the cause
        "infrastructure", never an exception. Nothing of one run reaches the next.

        Raises:
            ValueError: the sandbox has no toolchain for the language; with what to install.
        """
        ...

    def start(self) -> None:
        """Start what it needs now, and prove that it protects.

        Raises RuntimeError saying what is missing. `run` does the same when it is first called.
        """
        ...

    def close(self) -> None:
        """End every process and remove every file of it; a later `run` starts again."""
        ...


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        parts = name.split("/")
        if "\0" in name or any(part in ("", ".", "..") for part in parts):
            raise ValueError(f"files: {name!r} must be a path inside the working directory")
