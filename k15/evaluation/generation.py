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
from k15.engines.protocol import Request, RolloutEngine, Sampling, Scored, seed_of
from k15.evaluation.benchmark import Benchmark
from k15.evaluation.pairs import pair
from k15.evaluation.prompting.base import Ask, Reply, Solving, Weigh
from k15.evaluation.samples import Key
from k15.graders.base import GraderFailure, retried
from k15.models.codec import Codec
from k15.progress import waiting_for
from k15.types import Example, Problem

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
    replies: list[Reply | Scored | None] = field(default_factory=list)
    """Of what is asked, or weighed, now."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One ask of an open sample, or one text that it wants to have weighed."""

    open: Open
    place: int
    work: Any
    """A `Request`, or an `Example`."""


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
        self.weighing: list[Waiting] = []
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
            while self.waiting or self.weighing or self.working:
                if not self.waiting and not self.weighing:
                    self._collect_work(SILENCE)
                if self.weighing:
                    self._weigh()
                if self.waiting:
                    self._answer()
        finally:
            self.threads.shutdown(wait=False, cancel_futures=True)

    def _answer(self) -> None:
        """What waits for the engine. Benchmarks with other temperatures than the first one's say so
        in their requests.
        """
        asked, self.waiting = self.waiting, []
        benchmark = asked[0].open.benchmark
        sampling = Sampling(temperature=benchmark.temperature, top_p=benchmark.top_p)
        for completion in self.engine.generate([one.work for one in asked], sampling):
            text = self.codec.decode(completion.tokens)
            reply = Reply(text=text, tokens=len(completion.tokens), finish=completion.finish)
            self._replied(asked[completion.index], reply)

    def _weigh(self) -> None:
        """What is to be weighed."""
        asked, self.weighing = self.weighing, []
        for scored in self.engine.score([one.work for one in asked]):
            self._replied(asked[scored.index], scored)

    def _replied(self, waiting: Waiting, reply: Reply | Scored) -> None:
        """Go on with the sample if this was the last that it waited for, and with those whose work
        is done.
        """
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
        if isinstance(work, Weigh):
            pairs = [pair(self.codec, work.beginning, text) for text in work.texts]
            examples = [self._example(open, *each) for each in pairs]
            self.weighing += [Waiting(open, place, each) for place, each in enumerate(examples)]
            open.replies = [None] * len(examples)
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

    def _example(self, open: Open, prompt: tuple[int, ...], text: tuple[int, ...]) -> Example:
        """Raises ConfigError for one that is longer than the context, with a token to spare."""
        if len(prompt) + len(text) >= self.codec.context:
            raise ConfigError(
                f"benchmark {open.key[0]}: problem {open.key[2]!r} with a choice has "
                f"{len(prompt) + len(text)} tokens and the model's context is "
                f"{self.codec.context}; take a model with a longer context"
            )
        return Example(prompt_tokens=prompt, response_tokens=text)

    def _encode(self, problem: Problem) -> tuple[tuple[int, ...], int]:
        """Its tokens, and how many the model sees; samples of one prompt share the work."""
        key = (repr(problem.prompt), *map(id, problem.images))
        if key not in self.encoded:
            tokens = self.codec.encode(problem)
            self.encoded[key] = tokens, self.codec.length(tokens, problem.images)
        return self.encoded[key]
