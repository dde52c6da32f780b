"""Responses of all benchmarks through one engine, also where a prompting mode takes several steps.

Each sample is an open solving: a generator that waits for replies of the engine or for work in a
thread. What all of them ask goes to the engine together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from k15.config.errors import ConfigError
from k15.engines.protocol import Request, RolloutEngine, Sampling, seed_of
from k15.evaluation.benchmark import Benchmark
from k15.evaluation.prompting.base import Ask, Reply, Solving
from k15.evaluation.samples import Key
from k15.graders.base import GraderFailure, retried
from k15.models.codec import Codec
from k15.progress import waiting_for
from k15.types import Problem

SHORTEST = 16  # tokens of a response that the context must leave room for
SILENCE = 600.0  # seconds that a prompting mode's own work may take
Finished = Callable[[Key, "Reply | GraderFailure"], None]


@dataclass(slots=True)
class Open:
    """A sample that is being generated."""

    key: Key
    solving: Solving
    benchmark: Benchmark
    asked: int = 0
    """Asks so far: part of the seed of the next."""
    replies: list[Reply | None] = field(default_factory=list)
    """Of the asks under way."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One ask of an open sample."""

    open: Open
    place: int
    request: Request


class Generation:
    """Drives the open solvings until each has its response, which goes to `finished`."""

    def __init__(
        self,
        engine: RolloutEngine,
        codec: Codec,
        *,
        seed: int,
        threads: int,
        retries: int,
        backoff: float,
        finished: Finished,
    ) -> None:
        self.engine, self.codec, self.seed, self.finished = engine, codec, seed, finished
        self.threads = ThreadPoolExecutor(threads)
        self.retries, self.backoff = retries, backoff
        self.waiting: list[Waiting] = []
        self.working: dict[Future[Any], Open] = {}
        self.encoded: dict[tuple[Any, ...], tuple[tuple[int, ...], int]] = {}

    def run(self, opened: Iterable[Open]) -> None:
        """All of them, in as few calls of the engine as their steps allow.

        Raises ValueError before the engine is called if a prompt cannot be written or does not fit
        into the context.
        """
        try:
            for open in opened:
                self._advance(open, None)
            while self.waiting or self.working:
                if not self.waiting:
                    self._collect_work(SILENCE)
                if asked := self._take():
                    self._answer(asked)
        finally:
            self.threads.shutdown(wait=False, cancel_futures=True)

    def _take(self) -> list[Waiting]:
        """What waits for the engine."""
        asked, self.waiting = self.waiting, []
        return asked

    def _answer(self, asked: list[Waiting]) -> None:
        """Benchmarks with other temperatures than the first one's say so in their requests."""
        benchmark = asked[0].open.benchmark
        sampling = Sampling(temperature=benchmark.temperature, top_p=benchmark.top_p)
        for completion in self.engine.generate([one.request for one in asked], sampling):
            waiting = asked[completion.index]
            text = self.codec.decode(completion.tokens)
            reply = Reply(text=text, tokens=len(completion.tokens), finish=completion.finish)
            replies = waiting.open.replies
            replies[waiting.place] = reply
            if None not in replies:
                self._advance(waiting.open, list(replies))
            self._collect_work(0)

    def _advance(self, open: Open, value: Any) -> None:
        """Send a solving what it waited for; take what it wants next."""
        try:
            work = open.solving.send(value)
        except StopIteration as end:
            self.finished(open.key, end.value)
            return
        if callable(work):
            patient = partial(retried, work, retries=self.retries, backoff=self.backoff)
            self.working[self.threads.submit(patient)] = open
            return
        open.replies = [None] * len(work)
        requests = [self._request(open, ask) for ask in work]
        self.waiting += [Waiting(open, place, request) for place, request in enumerate(requests)]

    def _collect_work(self, seconds: float) -> None:
        """Go on with the solvings whose work is done, after waiting for the first that long."""
        if not self.working:
            return
        with waiting_for(f"programs of {len(self.working)} samples"):
            done, _ = wait(self.working, seconds, FIRST_COMPLETED)
        if not done and seconds:
            keys = ", ".join(str(open.key) for open in list(self.working.values())[:3])
            raise TimeoutError(f"no work ended within {seconds:g} s; it waits for {keys}")
        for future in done:
            open = self.working.pop(future)
            failure = future.exception()
            if isinstance(failure, GraderFailure):
                self.finished(open.key, failure)
            else:
                self._advance(open, future.result())

    def _request(self, open: Open, ask: Ask) -> Request:
        try:
            tokens, length = self._encode(ask.problem)
        except ConfigError as error:
            name, _, problem, _ = open.key
            raise ConfigError(f"benchmark {name}, problem {problem!r}: {error}") from error
        wanted = ask.max_tokens or open.benchmark.max_response_tokens
        room = self.codec.context - length
        if room < min(SHORTEST, wanted):
            raise ConfigError(
                f"benchmark {open.key[0]}: the prompt of problem {open.key[2]!r} has {length} "
                f"tokens and the model's context is {self.codec.context}; take a model with a "
                "longer context"
            )
        open.asked += 1
        return Request(
            tokens=tokens,
            images=ask.problem.images,
            max_new_tokens=min(wanted, room),
            seed=seed_of(self.seed, *open.key, open.asked),
            temperature=open.benchmark.temperature,
            top_p=open.benchmark.top_p,
        )

    def _encode(self, problem: Problem) -> tuple[tuple[int, ...], int]:
        """Its tokens, and how many the model sees; samples of one prompt share the work."""
        key = (repr(problem.prompt), *map(id, problem.images))
        if key not in self.encoded:
            tokens = self.codec.encode(problem)
            self.encoded[key] = tokens, self.codec.length(tokens, problem.images)
        return self.encoded[key]
