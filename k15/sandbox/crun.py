"""The report's sandbox (arXiv 2501.12599, section 2.6.4): crun, control groups made beforehand.

    run ── takes a container (its process 1 is warm) ── compile once ── run per input
               overlay of image and size-limited tmpfs, seccomp, cgroup slot

Pools, compiles and runs like the local sandbox, whose programs are jailed by another means here.
Needs Linux, root and crun (`apt-get install crun`).
"""

from __future__ import annotations

import itertools
import os
import shutil
import threading
from collections.abc import Iterable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import cast

from k15.sandbox import cgroups, images
from k15.sandbox.crun_container import Container, Keeper
from k15.sandbox.jail_process import END_SECONDS, JailBroken
from k15.sandbox.jailed import JailedSandbox, checked_folders, python_folders
from k15.sandbox.jailer import Job, Report
from k15.sandbox.languages import PATH, TOOLCHAINS
from k15.sandbox.probes import prove
from k15.sandbox.protocol import Outcome, Program

INSTALL = "apt-get install crun"


class CrunSandbox(JailedSandbox):
    """Runs programs in crun containers; see the module.

    Args:
        image: a folder made by `python -m k15.sandbox.images build`; without one, programs see
            this machine's /usr, read-only, and few files of its /etc.
        slots: containers at once, by default as many as processors; further programs wait.
        cpus: processors that a program may keep busy.
        programs_per_container: after which it is replaced by a new one.
        wait_seconds: deadline for a free slot.
        crun: its command.
        folders: more of this machine that programs may read, such as a toolchain in /opt/x; not
            with an image.
    """

    name = "crun"

    def __init__(
        self,
        *,
        image: str | None = None,
        slots: int | None = None,
        cpus: float = 1.0,
        programs_per_container: int = 100,
        wait_seconds: float = 3600.0,
        crun: str = "crun",
        folders: Iterable[str] = (),
    ) -> None:
        super().__init__()
        slots = os.cpu_count() or 1 if slots is None else slots
        if slots < 1 or programs_per_container < 1 or cpus <= 0:
            raise ValueError(
                f"sandbox: slots={slots} and programs_per_container={programs_per_container} must "
                f"be at least 1, cpus={cpus} above 0"
            )
        self._image_folder = image
        self._slots = slots
        self._places = threading.BoundedSemaphore(slots)
        self._cpus = cpus
        self._programs_per_container = programs_per_container
        self._wait_seconds = wait_seconds
        self._crun = crun
        self._folders = checked_folders(folders, own=("/proc", "/box", "/dev", "/tmp"))
        self._names = (f"k15-{number}" for number in itertools.count())
        self._groups: SimpleQueue[cgroups.Group] = SimpleQueue()
        self._keeper: Keeper | None = None
        self._image: images.Image | None = None

    def close(self) -> None:
        """See `k15.sandbox.protocol.Sandbox.close`."""
        super().close()
        if self._keeper:
            self._keeper.close()
        self._keeper = self._image = None

    def _open(self) -> Container:
        crun = shutil.which(self._crun)
        if crun is None:
            raise RuntimeError(f"sandbox=crun: {self._crun!r} is not installed: {INSTALL}")
        if os.geteuid() != 0:
            raise RuntimeError("sandbox=crun needs root; sandbox=local does not")
        layout = cgroups.detect(Path("/proc/self/mountinfo").read_text())
        cgroups.remove_abandoned(layout)
        names = [f"slot{number}" for number in range(self._slots)]
        flags = ["--cgroup-manager=disabled"]
        self._keeper = keeper = Keeper(crun, flags, layout, cgroups.session_name(), names)
        try:
            self._groups = SimpleQueue()
            for group in keeper.groups:
                self._groups.put(group)
            if self._image_folder is None:
                extra = [*python_folders(self._python), *self._folders]
                self._image = images.of_host(keeper.base / "image", self._python, extra)
            else:
                self._image = images.of_folder(Path(self._image_folder))
            return cast(Container, prove(self._jail()))
        except BaseException:  # nothing of it stays
            keeper.close()
            self._keeper = None
            raise

    def _jail(self) -> Container:
        if self._keeper is None or self._image is None:
            raise JailBroken("it was closed")
        try:
            group = self._groups.get(timeout=END_SECONDS)
        except Empty as error:
            raise JailBroken("no control group is free") from error
        release = self._groups.put
        return Container(self._keeper, self._image, next(self._names), self._cpus, release, group)

    def _take(self) -> Container:
        container = super()._take()
        assert isinstance(container, Container)
        if container.programs >= self._programs_per_container:
            container.close()
            return self._jail()
        return container

    def _try(self, job: Job, stdin: bytes) -> Report:
        if not self._places.acquire(timeout=self._wait_seconds):
            detail = f"no container was free within wait_seconds={self._wait_seconds}"
            return Report(outcome=Outcome(cause="infrastructure", detail=detail))
        try:
            return super()._try(job, stdin)
        finally:
            self._places.release()

    def _path(self) -> str:
        return os.pathsep.join([PATH, *(f"{folder}/bin" for folder in self._folders)])

    def _check_toolchain(self, program: Program) -> None:
        if self._image_folder is None or program.language == "python":
            super()._check_toolchain(program)
            return
        image = images.of_folder(Path(self._image_folder))
        for name in TOOLCHAINS[program.language].executables:
            if not image.has(name):
                raise ValueError(
                    f"language={program.language!r}: {name} is not in {self._image_folder}; "
                    "make an image with `python -m k15.sandbox.images build DIR --languages "
                    f"{program.language}`"
                )
