"""Groups are scored as they end, in threads of their own, while others are still generated."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from queue import SimpleQueue

from k15.progress import phase, waiting_for
from k15.types import RolloutGroup

Score = Callable[[RolloutGroup], RolloutGroup | None]
"""Scores a finished group; None where the grader broke and the group is dropped."""
Work = tuple[RolloutGroup, Future[RolloutGroup | None]]


class Scoring:
    """Scores the groups of one iteration; a context manager.

    One thread takes them in the order in which they come; with several, `score` must be safe to be
    called from any thread. What comes out does not depend on how fast it is scored.
    """

    def __init__(self, score: Score, *, threads: int, deadline: float) -> None:
        """`deadline` are the seconds for which one result is waited for."""
        self.score, self.deadline = score, deadline
        self.submitted: list[Work] = []
        self.spans: list[tuple[float, float]] = []
        """When each group was scored, seconds of `time.perf_counter`."""
        self._work: SimpleQueue[Work | None] = SimpleQueue()
        # Daemons: a grader that hangs must not keep the process from ending.
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Scoring:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        for _, future in self.submitted:
            future.cancel()
        for _ in self._threads:
            self._work.put(None)

    def submit(self, groups: Sequence[RolloutGroup]) -> None:
        """Have finished groups scored, those that were not submitted before.

        Raises what the scoring of an earlier one raised, so that a run ends soon.
        """
        for _, future in self.submitted:
            if future.done():
                future.result()
        known = {group.number for group, _ in self.submitted}
        for group in groups:
            if group.number not in known:
                work = (group, Future[RolloutGroup | None]())
                self.submitted.append(work)
                self._work.put(work)

    def results(self) -> Iterator[RolloutGroup | None]:
        """All groups scored, in the order of `submit`.

        Raises what the first failed scoring raised, and TimeoutError naming the problem if a result
        does not come in time.
        """
        with phase("reward", len(self.submitted), " groups") as progress:
            for group, future in self.submitted:
                yield self._result(group, future)
                progress.update()

    def _result(
        self, group: RolloutGroup, future: Future[RolloutGroup | None]
    ) -> RolloutGroup | None:
        what = f"the reward of problem {group.problem.id!r}"
        try:
            with waiting_for(what):
                return future.result(self.deadline)
        except TimeoutError as error:
            if future.done():  # the grader's own
                raise
            raise TimeoutError(f"{what} did not come within {self.deadline:g} s") from error

    def hidden(self, until: float) -> float:
        """Seconds before the moment `until` in which at least one group was being scored."""
        seconds, covered = 0.0, 0.0
        for start, end in sorted(self.spans):
            start, end = max(start, covered), min(end, until)
            seconds += max(0.0, end - start)
            covered = max(covered, end)
        return seconds

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            group, future = work
            if not future.set_running_or_notify_cancel():
                continue
            started = time.perf_counter()
            try:
                scored = self.score(group)
            except BaseException as error:  # raised again where the result is asked for
                future.set_exception(error)
                continue
            self.spans.append((started, time.perf_counter()))
            future.set_result(scored)
