"""What sandboxes of this machine share: a pool of warm jails, compiling once, running per input.

    run ── takes a jail from the pool ── compile once ── run per input ── jail goes back

How a jail confines a program is its own affair: see `local` and `crun`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from queue import Empty, LifoQueue
from typing import Any, ClassVar, Protocol

from k15.sandbox import languages
from k15.sandbox.jail_process import JailBroken
from k15.sandbox.jailer import File, Job, Report, interpreter
from k15.sandbox.languages import TOOLCHAINS
from k15.sandbox.protocol import Input, Limits, Outcome, Program, Sandbox

ATTEMPTS = 2  # the second one in a fresh jail
COMPILER_RESERVE_MIB = 8192
_PRINT_FOLDERS = """
import sys
from sysconfig import get_path
print(get_path("stdlib"), get_path("platstdlib"), sys.base_prefix + "/lib", sep="\\n")
"""


class JailLike(Protocol):
    """Runs one job at a time. `run` raises JailBroken when only `close` is left to do."""

    def run(self, job: Job, stdin: bytes) -> Report: ...

    def close(self) -> Any: ...


class JailedSandbox(Sandbox):
    """A pool with as many jails as there have been threads at a time; subclasses make the jails."""

    name: ClassVar[str]
    """Of the config group's member, for messages."""

    def __init__(self, *, python: str | None = None) -> None:
        """Start nothing yet; `python` is programs' interpreter, by default this process's."""
        self._python = os.path.realpath(python) if python else interpreter()
        self._idle: LifoQueue[Any] = LifoQueue()
        self._starting = threading.Lock()
        self._started = False

    @abstractmethod
    def _jail(self) -> JailLike:
        """A fresh jail; raises JailBroken."""

    @abstractmethod
    def _open(self) -> JailLike:
        """The first jail, proved to protect; raises JailBroken or RuntimeError."""

    @abstractmethod
    def _path(self) -> str:
        """Where toolchains are looked for, as on PATH."""

    def start(self) -> None:
        """See `k15.sandbox.protocol.Sandbox.start`."""
        with self._starting:
            if self._started:
                return
            try:
                self._idle.put(self._open())
            except JailBroken as error:
                raise RuntimeError(f"sandbox={self.name}: {error}") from error
            self._started = True

    def run(
        self, program: Program, inputs: Iterable[Input], limits: Limits = Limits()
    ) -> Iterator[Outcome]:
        """See `k15.sandbox.protocol.Sandbox.run`."""
        self._check_toolchain(program)
        self.start()
        return self._outcomes(program, inputs, limits)

    def close(self) -> None:
        """See `k15.sandbox.protocol.Sandbox.close`."""
        with self._starting:
            self._started = False
            while True:
                try:
                    self._idle.get_nowait().close()
                except Empty:
                    return

    def _outcomes(
        self, program: Program, inputs: Iterable[Input], limits: Limits
    ) -> Iterator[Outcome]:
        files: Mapping[str, File] | None = None
        failure: Outcome | None = None
        for given in inputs:
            if files is None and (failure is None or failure.cause == "infrastructure"):
                files, failure = self._compile(program, limits)
            if files is None:
                assert failure is not None
                yield failure
            else:
                job = self._run_job(program, files, given, limits)
                yield self._try(job, given.stdin).outcome

    def _compile(
        self, program: Program, limits: Limits
    ) -> tuple[Mapping[str, File] | None, Outcome | None]:
        """The files that a run gets, or why there is nothing to run."""
        laid_down = {**program.files, languages.source_name(program): _encode(program.source)}
        files = {name: File(content=content) for name, content in laid_down.items()}
        command = languages.compile_command(program)
        if not command:
            return files, None
        job = Job(
            command=command,
            files=files,
            environment=self._environment(program),
            reserve_mib=COMPILER_RESERVE_MIB,
            limits=languages.compile_limits(limits),
            collect=True,
        )
        report = self._try(job, b"")
        if report.outcome.cause == "ok":
            return report.files, None
        if report.outcome.cause == "infrastructure":
            return None, report.outcome
        said = (report.outcome.stdout + report.outcome.stderr).decode(errors="replace")
        detail = f"{job.command[0]}: {report.outcome.cause}, status {report.outcome.exit}\n{said}"
        return None, replace(report.outcome, cause="compile", exit=None, detail=detail[:10_000])

    def _try(self, job: Job, stdin: bytes) -> Report:
        """Run in an idle jail; where the jail breaks, once more in a fresh one."""
        reasons = []
        for attempt in range(ATTEMPTS):
            try:
                jail = self._take() if attempt == 0 else self._jail()
            except JailBroken as error:
                reasons.append(str(error))
                continue
            try:
                report = jail.run(job, stdin)
            except JailBroken as error:
                reasons.append(str(error))
                jail.close()
            except BaseException:  # interrupted: its program may be running still
                jail.close()
                raise
            else:
                self._give_back(jail)
                return report
        return Report(outcome=Outcome(cause="infrastructure", detail="; then: ".join(reasons)))

    def _take(self) -> JailLike:
        try:
            return self._idle.get_nowait()
        except Empty:
            return self._jail()

    def _give_back(self, jail: JailLike) -> None:
        with self._starting:
            if self._started:
                self._idle.put(jail)
                return
        jail.close()

    def _run_job(
        self, program: Program, files: Mapping[str, File], given: Input, limits: Limits
    ) -> Job:
        python = program.language == "python"
        command = () if python else (*languages.run_command(program, limits), *given.arguments)
        return Job(
            command=command,
            source=languages.source_name(program),
            arguments=given.arguments,
            files={**files, **{name: File(content=data) for name, data in given.files.items()}},
            environment=self._environment(program),
            reserve_mib=TOOLCHAINS[program.language].reserve_mib,
            limits=limits,
        )

    def _environment(self, program: Program) -> dict[str, str]:
        own = TOOLCHAINS[program.language].environment
        path = f"{languages.PATH}:{os.path.dirname(self._python)}"
        return {**languages.ENVIRONMENT, **own, "PATH": path}

    def _check_toolchain(self, program: Program) -> None:
        if program.language == "python":  # the zygote is its interpreter
            return
        for name in TOOLCHAINS[program.language].executables:
            if not shutil.which(name, path=self._path()):
                raise ValueError(
                    f"language={program.language!r}: {name} is not in {self._path()}; "
                    + languages.install_line(program.language)
                )


def checked_folders(folders: Iterable[str], *, own: Iterable[str]) -> tuple[str, ...]:
    """The folders; raises ValueError for one that programs cannot be shown.

    Args:
        own: places of which programs have their own, so that nothing below them is the machine's.
    """
    found = tuple(os.path.normpath(folder) for folder in folders)
    for path in found:
        if not os.path.isabs(path) or not os.path.exists(path):
            raise ValueError(f"sandbox: folders: {path!r} is no absolute path of a folder here")
        hidden = path in ("/", "/dev", "/etc", "/tmp", "/dev/shm")
        if hidden or any(path == place or path.startswith(f"{place}/") for place in own):
            raise ValueError(
                f"sandbox: folders: {path!r}: programs have a place of their own there"
            )
    return found


def python_folders(python: str) -> list[str]:
    """Where that interpreter and its standard library lie."""
    command = [python, "-I", "-S", "-c", _PRINT_FOLDERS]
    printed = subprocess.run(command, capture_output=True, timeout=60)
    if printed.returncode:
        raise JailBroken(f"{python} does not run: {printed.stderr.decode(errors='replace')}")
    folders = printed.stdout.decode().splitlines()
    return sorted({python, *(folder for folder in folders if os.path.isdir(folder))})


def _encode(source: str) -> bytes:
    return source.encode(errors="replace")  # a lone surrogate is no text in any language
