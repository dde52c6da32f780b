"""The replay buffer of partial rollouts: what one iteration leaves unfinished for the next (k1.5
§2.6).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from k15.types import Problem, Rollout, RolloutGroup, Segment


class ReplayBuffer:
    """Groups that wait for the next iteration, oldest first, and how many were ever started.

    Most have an unfinished rollout; some were complete when their iteration was over.
    """

    def __init__(self) -> None:
        self._groups: list[RolloutGroup] = []
        self.started = 0

    def __len__(self) -> int:
        return len(self._groups)

    def next_number(self) -> int:
        """Of a group that is started: 0, 1, 2, ... over all iterations."""
        self.started += 1
        return self.started - 1

    def put(self, groups: list[RolloutGroup]) -> None:
        """Keep groups that were not handed out."""
        self._groups.extend(groups)

    def take(self) -> list[RolloutGroup]:
        """Hand out all groups; the buffer is empty afterwards."""
        groups, self._groups = self._groups, []
        return groups

    def state_dict(self) -> dict[str, Any]:
        """Plain lists and numbers; a problem is saved by its id."""
        return {
            "started": self.started,
            "groups": [saved_group(group) for group in self._groups],
        }

    def load_state_dict(self, state: Mapping[str, Any], problems: Mapping[str, Problem]) -> None:
        """Restore; raises ValueError naming a problem that the data no longer has."""
        self.started = state["started"]
        self._groups = [restored_group(saved, problems) for saved in state["groups"]]


def saved_group(group: RolloutGroup) -> dict[str, Any]:
    """Plain lists and numbers."""
    saved = {
        "number": group.number,
        "problem": group.problem.id,
        "prompt_tokens": list(group.prompt_tokens),
        "rollouts": [asdict(rollout) for rollout in group.rollouts],
    }
    if not group.reward:
        return saved
    parts = {name: list(values) for name, values in group.parts.items()}
    return {**saved, "parts": parts, "reward": list(group.reward), "outcome": list(group.outcome)}


def restored_group(saved: Mapping[str, Any], problems: Mapping[str, Problem]) -> RolloutGroup:
    """What `saved_group` was given; raises ValueError naming a problem that the data no longer
    has.
    """
    return RolloutGroup(
        number=saved["number"],
        problem=_find(problems, saved["problem"]),
        prompt_tokens=tuple(saved["prompt_tokens"]),
        rollouts=tuple(_rollout(rollout) for rollout in saved["rollouts"]),
        parts={name: tuple(values) for name, values in saved.get("parts", {}).items()},
        reward=tuple(saved.get("reward", ())),
        outcome=tuple(saved.get("outcome", ())),
    )


def _find(problems: Mapping[str, Problem], name: str) -> Problem:
    if name not in problems:
        raise ValueError(
            f"the checkpoint holds a rollout of problem {name!r}, which the data does "
            "not have; resume with the same data and seed"
        )
    return problems[name]


def _rollout(saved: Mapping[str, Any]) -> Rollout:
    segments = tuple(
        Segment(tokens=tuple(s["tokens"]), logps=tuple(s["logps"]), version=s["version"])
        for s in saved["segments"]
    )
    return Rollout(segments=segments, finish=saved["finish"], text=saved["text"])
