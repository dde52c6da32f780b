"""A grader that breaks says nothing about the answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Grade = TypeVar("Grade")


class GraderFailure(RuntimeError):
    """The grader broke: a process died, a service did not answer, a reference cannot be read.

    It says nothing about the answer, so it never becomes a 0: the group is tried again, then
    dropped and counted (see `Scorer`).
    """


def retried(grade: Callable[[], Grade], *, retries: int, backoff: float) -> Grade:
    """What `grade()` returns, asked again up to `retries` times when the grader fails.

    `backoff` are the seconds before the second attempt, doubled for each further one. Raises the
    last attempt's GraderFailure.
    """
    for attempt in range(retries):
        try:
            return grade()
        except GraderFailure:
            time.sleep(backoff * 2**attempt)
    return grade()
