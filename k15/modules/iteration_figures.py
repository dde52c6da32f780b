"""What TensorBoard shows of an iteration of RL, beside what its minibatches say.

Legend: G samples per problem, T response tokens.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from k15.types import Experience, RolloutGroup


def iteration_figures(
    experience: Experience,
    groups: Sequence[tuple[RolloutGroup, Tensor]],
    figures: Mapping[str, float],
    seconds: Mapping[str, float],
) -> dict[str, float]:
    """All of them by their names, with the iteration's number as `step`: what is known of the
    experience, of the `groups` of it that were trained on with their advantages, `figures` of
    training and the seconds of each phase.
    """
    trained = sum(rollout.length for group, _ in groups for rollout in group.rollouts)
    return {
        "step": float(experience.iteration),
        **{name: float(value) for name, value in experience.metrics.items()},
        **{f"train/{name}": float(value) for name, value in figures.items()},
        "train/groups": float(len(groups)),
        "train/groups_without_signal": float(len(experience.groups) - len(groups)),
        "train/tokens_per_second": trained / max(seconds["train"], 1e-9),
        **{f"time/{phase}_seconds": value for phase, value in seconds.items()},
    }


def learning_figures(
    optimizer: Any, groups: Sequence[tuple[RolloutGroup, Tensor]]
) -> dict[str, float]:
    """The learning rate, and the standard deviation over the responses of advantages, [G, 1] or
    [G, T] of each group.
    """
    figures = {"learning_rate": optimizer.param_groups[0]["lr"]}
    if groups:
        advantages = torch.cat([advantage_GT.mean(-1) for _, advantage_GT in groups])
        figures["advantage_std"] = float(advantages.std(correction=0))
    return figures


def waited(experience: Experience) -> dict[str, float]:
    """Wait for what is collected meanwhile, if anything is; the seconds that it took."""
    if experience.wait_for_next is None:
        return {}
    started = time.perf_counter()
    experience.wait_for_next()
    return {"rollout_wait": time.perf_counter() - started}
