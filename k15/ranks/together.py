"""What a program does on several ranks: they meet, the first decides, all end together."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from k15.exits import exit_on_error
from k15.ranks.place import Place, alone, place_of
from k15.ranks.start import LISTENER
from k15.ranks.watch import STARTING, Failure, Watch, said

Decision = TypeVar("Decision")
DECIDED, HERE, DONE, GONE = "decided", "here", "done", "gone"
ENDED = 128 + signal.SIGTERM
POLL = 0.2  # seconds


class Alone:
    """One process: what it decides is decided."""

    place = Place()

    def first_decides(
        self, decide: Callable[[], list[Decision]], before: Callable[[Decision], None]
    ) -> Decision:
        """The last of what `decide` returns; the others are done `before`, and nothing of them
        stays in memory: Trainer, module and optimizer hold each other until they are looked for.
        """
        *others, last = decide()
        for one in others:
            before(one)
            gc.collect()
        return last


class Ranks(Alone):
    """Several processes; a store that all of them reach, and a watch over them."""

    def __init__(self, place: Place, seconds: float, on_gpus: bool) -> None:
        self.place, self.seconds, self.on_gpus = place, seconds, on_gpus
        self.store = self._store(host=place.rank == 0 and not place.hosted)
        self.watch = Watch(place, self._store, seconds)
        self.watch.start()

    def _apart(self, work: Callable[[], None]) -> None:
        """In a process that does not know of the ranks; raises SystemExit if it fails."""

        def in_child() -> None:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            kept = alone(os.environ)
            os.environ.clear()
            os.environ.update(kept)
            with exit_on_error():
                work()

        child = multiprocessing.get_context("fork").Process(target=in_child)
        child.start()
        try:
            child.join()
        finally:
            child.terminate()
        if child.exitcode:
            raise SystemExit(child.exitcode)

    def first_decides(
        self, decide: Callable[[], list[Decision]], before: Callable[[Decision], None]
    ) -> Decision:
        """On rank 0, which the others wait for as long as it lives; `before` in a process of its
        own.
        """
        if self.place.rank == 0:
            *others, last = decide()
            for one in others:
                self._apart(partial(before, one))
            self.store.set(DECIDED, pickle.dumps(last).hex())
        while not self.store.check([DECIDED]):
            time.sleep(POLL)
        self._all_come(HERE)
        while not self.watch.acquainted():
            time.sleep(POLL)
        self._meet()
        return pickle.loads(bytes.fromhex(self.store.get(DECIDED).decode()))

    def _meet(self) -> None:
        """Make torch's process group; Lightning uses the one that is there."""
        from torch import cuda, distributed

        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if self.on_gpus and cuda.is_available() else "gloo",
            store=distributed.PrefixStore("group", self.store),
            rank=self.place.rank,
            world_size=self.place.world,
            timeout=timedelta(seconds=self.seconds),
        )

    def done(self) -> None:
        """The work is done; none ends while another one watches, or needs the store."""
        self._all_come(DONE)
        self.watch.stop()
        until = time.monotonic() + self.seconds
        with suppress(RuntimeError):  # the store ends with rank 0
            self.store.add(GONE, 1)
            while self.store.add(GONE, 0) < self.place.world and time.monotonic() < until:
                time.sleep(POLL)

    def _all_come(self, where: str) -> None:
        """Wait for as many as there are, as long as the watch lets this one live."""
        self.store.add(where, 1)
        while self.store.add(where, 0) < self.place.world:
            time.sleep(POLL)

    def blame(self, error: BaseException) -> Failure | None:
        """Who has made this rank fail, another one or (None) itself, which then all are told."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends already
        told = self.watch.failure
        if told is None and of_others(error):
            told_to_end = isinstance(error, SystemExit)
            patience = self.watch.patience
            told = self.watch.cause(patience / 2 if told_to_end else 1.5 * patience)
            if told is None and isinstance(error, RuntimeError):
                error.add_note(self.watch.where())
        if told is None:
            told = self.watch.tell(failure_of(error, self.place))
        self.watch.heard(self.watch.patience)
        self.watch.stop()
        return None if told.rank == self.place.rank else told

    def _store(self, host: bool = False) -> Any:
        from torch.distributed import PrefixStore, TCPStore

        listener = os.environ.get(LISTENER) if host else None
        store = TCPStore(
            self.place.address,
            self.place.port,
            is_master=host,
            timeout=timedelta(seconds=max(STARTING, self.seconds)),
            wait_for_workers=False,
            master_listen_fd=None if listener is None else int(listener),
        )
        return PrefixStore("k15", store)


@contextmanager
def together(seconds: float, accelerator: str) -> Iterator[Alone]:
    """The ranks of this program, or this process alone.

    A rank that fails shows its own error; the others say in a line because of whom they end. None
    of them outlives another by much more than `seconds`.
    """
    place = place_of()
    if place.world == 1:
        yield Alone()
        return
    ranks = Ranks(place, seconds, on_gpus=accelerator != "cpu")
    signal.signal(signal.SIGTERM, leave)  # until here it ends at once: no handler is heard in torch
    try:
        yield ranks
    except BaseException as error:
        blamed = ranks.blame(error)
        if blamed is None:
            if not isinstance(error, SystemExit):
                error.add_note(f"on rank {place.rank} of {place.world}")
            raise
        if blamed.what != shown(error):  # the same on all ranks: once is enough
            print(said(blamed, place), file=sys.stderr, flush=True)
        raise SystemExit(blamed.status) from None
    ranks.done()


def leave(number: int, frame: Any) -> None:
    """The handler of SIGTERM where nothing has to be saved before."""
    raise SystemExit(ENDED)


def of_others(error: BaseException) -> bool:
    """Whether an error may be that of a wait for another rank."""
    text = str(error).lower()
    words = ("gloo", "nccl", "connection", "peer", "socket", "store", "timed out", "distributed")
    return isinstance(error, RuntimeError | SystemExit) and (
        isinstance(error, SystemExit) or any(word in text for word in words)
    )


def failure_of(error: BaseException, place: Place) -> Failure:
    """This rank's own error, for the others."""
    status = error.code if isinstance(error, SystemExit) else 1
    return Failure(
        rank=place.rank, status=status if isinstance(status, int) else 1, what=shown(error)
    )


def shown(error: BaseException) -> str:
    """In a line."""
    if isinstance(error, SystemExit):
        return "it was told to end" if error.code == ENDED else f"exit status {error.code}"
    return " ".join(f"{type(error).__name__}: {error}".split())
