"""What a program's own process does before it is the program, and how Python programs run.

guard ── fork ── `main`: descriptors, limits, Landlock, seccomp ─┬─ exec of a command
                                                                 └─ Python source, right here
"""

from __future__ import annotations

import _sitebuiltins
import atexit
import builtins
import math
import os
import resource
import signal
import sys
import threading
import traceback
import types
from collections.abc import Sequence
from typing import IO, Any, NoReturn

from . import kernel, landlock, seccomp

OPEN_FILES = 256
STACK_BYTES = 64 << 20
SLACK = 64
"""Tasks that this user's other processes may start while a program runs."""


def main(job: dict[str, Any], stdio: list[int], box: str, options: dict[str, Any]) -> NoReturn:
    """Become the program; never returns."""
    try:
        _lock_in(job, stdio, box, options)
        command = job["command"]
        if command:
            os.execvpe(command[0], command, os.environ)
    except BaseException:  # of the jail or the exec: nothing may go on unprotected
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(127)
    run_python(job["source"], job["arguments"], options["own_modules"])


def peak_bytes() -> int:
    """Of the greatest process that this one has waited for."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def _lock_in(job: dict[str, Any], stdio: list[int], box: str, options: dict[str, Any]) -> None:
    os.setsid()
    for target, descriptor in enumerate(stdio):
        os.dup2(descriptor, target)
    os.closerange(3, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    if job["command"]:  # Python leaves them ignored, and exec keeps that
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(f"{box}/work")
    _set_environment({**job["environment"], "HOME": f"{box}/work", "TMPDIR": f"{box}/tmp"})
    _limit(job, others=1 if options["namespaces"] else _other_tasks(options["own_user"]))
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # /proc/self is its own; nobody else can look in
    landlock.restrict([*options["rules"], (box, landlock.WRITE)])
    seccomp.install(options["filter"])


def _set_environment(wanted: dict[str, str]) -> None:
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    for name, value in wanted.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _other_tasks(own_user: bool) -> int:
    """This user's besides this process; no more of them come where the user is the jail's own."""
    count = 0
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                count += len(os.listdir(f"/proc/{entry.name}/task"))
        except (FileNotFoundError, ProcessLookupError, PermissionError):  # it has just ended
            continue
    return count - 1 + (0 if own_user else SLACK)


def _limit(job: dict[str, Any], *, others: int) -> None:
    limits = {
        resource.RLIMIT_CPU: math.ceil(job["cpu_seconds"]) + 1,
        resource.RLIMIT_NPROC: job["processes"]
        + others,  # the kernel counts per user, the guard too
        resource.RLIMIT_FSIZE: job["disk_bytes"],
        resource.RLIMIT_AS: job["address_space_bytes"],
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_CORE: 0,
    }
    for limit, value in limits.items():
        resource.setrlimit(limit, (value, value))
    limit_stack()


def limit_stack() -> None:
    """Softly: programs that recurse deeply raise it, and their address space bounds it."""
    hard = resource.getrlimit(resource.RLIMIT_STACK)[1]
    soft = STACK_BYTES if hard == resource.RLIM_INFINITY else min(STACK_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


def run_python(path: str, arguments: list[str], hidden: Sequence[str] = ()) -> NoReturn:
    """Run the source file at `path` as `python path *arguments` would, and exit.

    Args:
        hidden: modules that are loaded here and that the program does not find.
    """
    for name in ("exit", "quit"):  # as `site` does it, which does not run here
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D"))
    main_module = types.ModuleType("__main__")
    main_module.__dict__.update(__file__=path, __builtins__=builtins)
    sys.modules["__main__"] = main_module
    for name in hidden:
        del sys.modules[name]
    sys.argv = [path, *arguments]
    sys.path.insert(0, os.getcwd())
    sys.stdin = _text(0, "r", errors="surrogateescape")
    sys.stdout = _text(1, "w", errors="surrogateescape")
    sys.stderr = _text(2, "w", errors="backslashreplace", buffering=1)
    for name in ("stdin", "stdout", "stderr"):
        setattr(sys, f"__{name}__", getattr(sys, name))
    status = 0
    try:
        with open(path, "rb") as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
        exec(code, main_module.__dict__)
    except SystemExit as end:
        status = _exit_status(end.code)
    except BaseException as error:  # it is the program's own: report it as Python does
        trace = error.__traceback__
        assert trace
        error.__traceback__ = trace.tb_next
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    os._exit(_finish(status))


def _text(descriptor: int, mode: str, **options: Any) -> IO[Any]:
    return open(descriptor, mode, encoding="utf-8", closefd=False, **options)


def _exit_status(code: object) -> int:
    if code is None or isinstance(code, int):
        return (code or 0) & 0xFF
    print(code, file=sys.stderr)
    return 1


def _finish(status: int) -> int:
    """What the interpreter does at its end: threads, atexit, flush."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except BaseException:  # a closed or broken stdout
        return status or 120
    return status
