"""One step off: the next iteration is collected in a thread while the policy trains.

    weights i ─► collect i + 1 ───────────────► wait ─► weights i + 1 ─► collect i + 2 ─► ...
             └─► train on what was collected ─►      └─► train on i + 1 ──────────────► ...

A training step ends by waiting for the thread. So whoever comes between two steps (validation,
benchmarks, a checkpoint, new weights) finds an engine that nobody uses, and what is collected does
not depend on the clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from threading import Thread
from typing import Any

from k15.engines.protocol import RolloutEngine
from k15.progress import waiting_for
from k15.rollouts.buffer import restored_group, saved_group
from k15.types import Experience, Problem

LEAVING = 10.0  # seconds for which a run that ends waits for the thread


class Ahead:
    """Calls `collect` at once, in a thread; `deadline` are the seconds that `wait` waits."""

    def __init__(self, collect: Callable[[], Experience], deadline: float) -> None:
        self.collect, self.deadline = collect, deadline
        self._future = Future[Experience]()
        # A daemon: an engine that hangs must not keep the process from ending.
        self._thread = Thread(target=self._run, name="k15-ahead", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until it is collected. Raises what `collect` raised, with its traceback, or TimeoutError
        if it takes too long.
        """
        with waiting_for("the rollouts of the next iteration"):
            done, _ = wait([self._future], self.deadline)
        if not done:
            raise TimeoutError(
                "the rollouts of the next iteration did not end within "
                f"datamodule.plan.overlap_seconds={self.deadline:g} s of the training step's end"
            )
        self._future.result()

    def experience(self) -> Experience:
        """What was collected; waits for it."""
        self.wait()
        return self._future.result()

    def abandon(self, engine: RolloutEngine) -> None:
        """The run ends: let the engine cut what it is at, and give the thread a while to leave."""
        if not self._future.done():
            engine.stop()
            self._thread.join(LEAVING)

    def _run(self) -> None:
        try:
            self._future.set_result(self.collect())
        except BaseException as error:  # raised again by whoever waits
            self._future.set_exception(error)


def saved_experience(experience: Experience) -> dict[str, Any]:
    """Plain lists and numbers; a problem is saved by its id."""
    return {
        "iteration": experience.iteration,
        "version": experience.version,
        "metrics": dict(experience.metrics),
        "groups": [saved_group(group) for group in experience.groups],
    }


def restored_experience(saved: Mapping[str, Any], problems: Mapping[str, Problem]) -> Experience:
    """What `saved_experience` was given; raises ValueError naming a problem that the data no longer
    has.
    """
    groups = tuple(restored_group(group, problems) for group in saved["groups"])
    return Experience(
        iteration=saved["iteration"],
        version=saved["version"],
        metrics=saved["metrics"],
        groups=groups,
    )
