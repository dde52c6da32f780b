"""Grading in threads while the engine goes on; a broken grader is never a wrong answer."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict

from k15.evaluation.benchmark import Benchmark
from k15.evaluation.samples import Key, Response, Sample
from k15.graders.base import GraderFailure, Verdict, retried
from k15.journal import Journal
from k15.progress import phase, waiting_for
from k15.types import Problem

logger = logging.getLogger(__name__)
Find = Callable[[Response], tuple[Benchmark, Problem]]
ENOUGH = 20  # samples before a share of failures says something


class Grading:
    """Grades responses as they are submitted and writes them as samples.

    `failed` holds the samples whose grader broke, and why. They are not written: the next run on
    the same folder tries them again.
    """

    def __init__(
        self,
        journal: Journal,
        find: Find,
        *,
        threads: int,
        retries: int,
        backoff: float,
        max_ungraded: float,
    ) -> None:
        self.journal, self.find = journal, find
        self.retries, self.backoff, self.max_ungraded = retries, backoff, max_ungraded
        self.failed: dict[Key, str] = {}
        self.pending: list[Future[None]] = []
        self.threads = ThreadPoolExecutor(threads)
        self.writing = threading.Lock()
        self.graded = 0

    def submit(self, response: Response) -> None:
        """Grade it some time from now. Raises what an earlier grading raised."""
        self.raise_failures()
        self.pending.append(self.threads.submit(self._grade, response))

    def fail(self, key: Key, reason: str) -> None:
        """Note a sample that could not be graded.

        Raises GraderFailure if there are too many of them.
        """
        with self.writing:
            self.failed[key] = reason
            seen = self.graded + len(self.failed)
        logger.warning("sample %s could not be graded: %s", key, reason)
        if seen >= ENOUGH and len(self.failed) > max(1, self.max_ungraded * seen):
            raise GraderFailure(
                f"{len(self.failed)} of {seen} samples could not be graded, "
                f"max_ungraded={self.max_ungraded}; the last one because: {reason}"
            )

    def raise_failures(self) -> None:
        """Raise what a grader raised, other than a GraderFailure that was forgiven."""
        done = [future for future in self.pending if future.done()]
        self.pending = [future for future in self.pending if not future.done()]
        for future in done:
            future.result()

    def finish(self) -> None:
        """Wait for all of them, with progress; each has its grader's own deadline."""
        with phase("grade", len(self.pending), " samples") as progress:
            for future in self.pending:
                future.result()
                progress.update()
        self.pending = []

    def close(self) -> None:
        """Give up what has not been graded yet."""
        self.threads.shutdown(cancel_futures=True)
        self.journal.close()

    def _grade(self, response: Response) -> None:
        benchmark, problem = self.find(response)
        try:
            verdict = self._verdict(benchmark, problem, response.response)
        except GraderFailure as failure:
            self.fail(response.key, str(failure))
            return
        sample = Sample(
            **asdict(response),
            extracted=verdict.extracted,
            correct=float(verdict.correct),
            how=verdict.how,
            found=verdict.found,
        )
        with self.writing:
            self.journal.append(sample)
            self.graded += 1

    def _verdict(self, benchmark: Benchmark, problem: Problem, response: str) -> Verdict:
        def grade() -> Verdict:
            with waiting_for(f"the grader of {benchmark.name} on problem {problem.id!r}"):
                return benchmark.grade(problem, response)

        return retried(grade, retries=self.retries, backoff=self.backoff)
