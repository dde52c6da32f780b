"""Programs in machines of E2B (e2b.dev), one machine per program, reused for its inputs.

    thread ─ coroutine ─► create machine ─► guest, program ─► run per input ─► kill

Needs `pip install "k15[e2b]"` and an API key. Whatever the service does wrong becomes the cause
"infrastructure", after another machine was tried; a verdict only ever comes from the guest's
complete answer.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import random
import secrets
import threading
import time
from collections.abc import Coroutine, Iterable, Iterator
from concurrent.futures import Future
from importlib.util import find_spec
from typing import Any, TypeVar

from k15.sandbox.e2b_machine import SPARE_SECONDS, Machine, MissingToolchain
from k15.sandbox.protocol import Input, Limits, Outcome, Program

log = logging.getLogger(__name__)
T = TypeVar("T")

PROBE = "import os; print(os.getuid(), os.access('/tmp/program', os.W_OK))"


class E2BSandbox:
    """`k15.sandbox.protocol.Sandbox` over the E2B cloud.

    Args:
        api_key: by default the environment's E2B_API_KEY.
        template: the image of the machines; E2B's own has Python, other languages need a template
            with their toolchains.
        concurrency: machines alive at once; further programs wait for one.
        request_seconds: deadline of one request to the service.
        lifetime_seconds: after which E2B ends a machine by itself, should this process have died;
            prolonged where a program takes longer.
        retries: of a request answered 429 or 5xx, and machines tried after one that failed.
        wait_seconds: deadline for a free machine.
        internet: whether programs may reach it.
        api_url, sandbox_url: of another deployment of E2B; by default the environment's
            E2B_API_URL and E2B_SANDBOX_URL, else the cloud.
    """

    def __init__(
        self,
        api_key: str | None = None,
        template: str = "code-interpreter-v1",
        concurrency: int = 20,
        request_seconds: float = 30.0,
        lifetime_seconds: int = 300,
        retries: int = 3,
        wait_seconds: float = 3600.0,
        internet: bool = False,
        api_url: str | None = None,
        sandbox_url: str | None = None,
    ) -> None:
        if concurrency < 1 or retries < 0 or request_seconds <= 0:
            raise ValueError(
                f"sandbox: concurrency={concurrency} must be at least 1, retries={retries} not "
                f"negative and request_seconds={request_seconds} above 0"
            )
        self.template = template
        self.request_seconds = request_seconds
        self.lifetime_seconds = lifetime_seconds
        self.retries = retries
        self.wait_seconds = wait_seconds
        self.internet = internet
        self._session = secrets.token_hex(8)
        self._places = threading.BoundedSemaphore(concurrency)
        self._deployment = {"api_key": api_key, "api_url": api_url, "sandbox_url": sandbox_url}
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._alive: set[Machine] = set()

    def start(self) -> None:
        """Run a program and look at what it may do.

        Raises:
            RuntimeError: no client, no or a wrong key, no service, no protection; says which.
        """
        [outcome] = self.run(Program(source=PROBE), [Input()])
        if outcome.cause != "ok":
            raise RuntimeError(f"sandbox=e2b does not work: {outcome.detail or outcome}")
        uid, writable = outcome.stdout.split()
        if uid == b"0" or writable == b"True":
            raise RuntimeError(f"sandbox=e2b: programs are not confined in {self.template!r}")

    def run(
        self, program: Program, inputs: Iterable[Input], limits: Limits = Limits()
    ) -> Iterator[Outcome]:
        """See `k15.sandbox.protocol.Sandbox.run`."""
        broken = self._unusable()
        if not broken and not self._places.acquire(timeout=self.wait_seconds):
            broken = f"no E2B machine was free within wait_seconds={self.wait_seconds}"
        if broken:
            yield from (Outcome(cause="infrastructure", detail=broken) for _ in inputs)
            return
        holder: list[Machine] = []
        try:
            for input in inputs:
                if broken:  # it stays so: each further attempt would cost the deadlines again
                    yield Outcome(cause="infrastructure", detail=broken)
                    continue
                outcome = self._run(holder, program, limits, input)
                broken = outcome.detail if outcome.cause == "infrastructure" else ""
                yield outcome
        finally:
            self._kill(holder)
            self._places.release()

    def close(self) -> None:
        """Kill every machine of this session, also those whose creation was never answered."""
        for machine in list(self._alive):
            self._kill([machine])
        with self._lock:
            loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            _wait(loop, self._sweep(), 2 * self.request_seconds)
        except Exception as error:  # of the service; the machines then end by themselves
            log.warning("E2B could not be asked for machines left behind: %s", _say(error))
        loop.call_soon_threadsafe(loop.stop)
        atexit.unregister(self.close)

    def _unusable(self) -> str:
        if find_spec("e2b_code_interpreter") is None:
            return 'sandbox=e2b needs its client: pip install "k15[e2b]"'
        if not (self._deployment["api_key"] or os.environ.get("E2B_API_KEY")):
            return "sandbox=e2b needs an API key: set E2B_API_KEY"
        return ""

    @property
    def _options(self) -> dict[str, Any]:
        given = {name: value for name, value in self._deployment.items() if value}
        return {**given, "request_timeout": self.request_seconds, "retries": self.retries}

    def _run(
        self, holder: list[Machine], program: Program, limits: Limits, input: Input
    ) -> Outcome:
        """One input, on the machine in `holder` or a new one put there."""
        problem = ""
        for attempt in range(self.retries + 1):
            try:
                if not holder and (refusal := self._open(holder, program, limits)):
                    return Outcome(cause="infrastructure", detail=refusal)
                seconds = limits.wall_seconds + SPARE_SECONDS + 2 * self.request_seconds
                return self._call(holder[0].run(input), seconds)
            except MissingToolchain:
                raise
            except Exception as error:  # the client's own, three HTTP libraries', bare Exceptions
                problem = _say(error)
                log.warning("E2B machine failed (attempt %d): %s", attempt + 1, problem)
                self._kill(holder)
                if attempt < self.retries:
                    time.sleep(random.uniform(0.5, 1) * min(8.0, 0.2 * 2**attempt))
        return Outcome(cause="infrastructure", detail=problem)

    def _open(self, holder: list[Machine], program: Program, limits: Limits) -> str:
        """Put a machine with the program into `holder`, or say why the service gives none."""
        machine = Machine(program, limits, self.lifetime_seconds, self.internet)
        created = machine.create(self.template, self._session, self._options)
        try:
            self._call(created, 2 * self.request_seconds)
        except Exception as error:  # as above; the client has already retried
            return _say(error)
        holder.append(machine)
        self._alive.add(machine)
        seconds = machine.compiling.wall_seconds + SPARE_SECONDS + 2 * self.request_seconds
        self._call(machine.prepare(), seconds)
        return ""

    def _kill(self, holder: list[Machine]) -> None:
        while holder:
            machine = holder.pop()
            self._alive.discard(machine)
            try:
                self._call(machine.kill(), 2 * self.request_seconds)
            except Exception as error:  # of the service; `close` asks again for what is left
                log.warning("E2B machine not killed, it ends by itself later: %s", _say(error))

    async def _sweep(self) -> None:
        from e2b_code_interpreter import AsyncSandbox, SandboxQuery

        mine = SandboxQuery(metadata={"k15": self._session})
        pages = AsyncSandbox.list(query=mine, **self._options)
        while pages.has_next:
            for found in await pages.next_items():
                await AsyncSandbox.kill(found.sandbox_id, **self._options)

    def _call(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        """Run `work` in the loop's thread. Raises TimeoutError after `seconds`."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                run = self._loop.run_forever
                threading.Thread(target=run, name="k15-e2b", daemon=True).start()
                atexit.register(self.close)
            loop = self._loop
        return _wait(loop, work, seconds)


def _wait(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], seconds: float) -> T:
    future: Future[T] = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), loop)
    return future.result(timeout=seconds + 5)


def _say(error: Exception) -> str:
    """For a person; the wrong key in plain words."""
    if type(error).__name__ == "AuthenticationException":
        return f"E2B refused the API key: set E2B_API_KEY to a valid one ({error})"
    return f"E2B: {type(error).__name__}: {error}"
