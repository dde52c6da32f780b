"""Processes beside this one that end with it, however it ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Any

PR_SET_PDEATHSIG = 1
GRACE = 20.0  # seconds that a worker has for saving, once it is told to end


@contextmanager
def workers(number: int) -> Iterator[ProcessPoolExecutor]:
    """So many processes. SIGTERM and Ctrl-C end them, too: they save, or are killed; what is killed
    itself takes them along. A task that fails lets the others come to their end.
    """
    before = signal.signal(signal.SIGTERM, leave)
    pool = ProcessPoolExecutor(
        number, get_context("spawn"), initializer=end_with_parent, initargs=(os.getpid(),)
    )
    try:
        yield pool
        pool.shutdown()
    except Exception:
        pool.shutdown()
        raise
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        end_children()
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def leave(number: int, _: Any) -> None:
    """The handler: with the status that a shell gives for the signal."""
    sys.exit(128 + number)


def end_with_parent(parent: int) -> None:
    """In a worker: the kernel kills it when its parent is gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def end_children() -> None:
    """Tell all workers, wait, and kill those that are still there."""
    children = active_children()
    for child in children:
        child.terminate()
    until = time.monotonic() + GRACE
    for child in children:
        child.join(max(0.0, until - time.monotonic()))
        child.kill()
        child.join()
