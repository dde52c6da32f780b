"""Figures of the rollout and reward phases, under the names TensorBoard shows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch

from k15.intervals import standard_error
from k15.questions import fingerprint_of
from k15.types import RolloutGroup


def experience_metrics(
    groups: Sequence[RolloutGroup],
    scored: Sequence[RolloutGroup],
    iteration: int,
    *,
    version: int | None = None,
    dropped: int,
    seconds: Mapping[str, float],
) -> dict[str, float]:
    """What an iteration did: `groups` it worked on, of which `scored` ended and could be graded.

    `rollout/entropy` is the mean of −log π over the tokens that this iteration sampled, by weights
    of `version` (None: its own, π_i), in nats per token: an unbiased estimate of the entropy of π,
    without top-p.
    """
    version = iteration if version is None else version
    fresh = [
        segment
        for group in groups
        for rollout in group.rollouts
        for segment in rollout.segments[-1:]
        if segment.version == version
    ]
    new_tokens = sum(len(segment.tokens) for segment in fresh)
    surprise = -sum(sum(segment.logps) for segment in fresh)
    unfinished = [r for group in groups for r in group.rollouts if r.finish is None]
    return {
        **outcome_metrics(scored),
        **_ages(scored, iteration),
        "rollout/tokens": new_tokens,
        "rollout/entropy": surprise / max(new_tokens, 1),
        "rollout/tokens_per_second": new_tokens / max(seconds["rollout"], 1e-9),
        "rollout/cut": len(unfinished) / max(sum(len(group.rollouts) for group in groups), 1),
        "rollout/groups_unfinished": sum(not group.finished for group in groups),
        "reward/groups_dropped": dropped,
        **{f"time/{phase}_seconds": value for phase, value in seconds.items()},
    }


def outcome_metrics(groups: Sequence[RolloutGroup]) -> dict[str, float]:
    """Accuracy, reward parts, lengths in tokens and how responses ended; empty without groups.

    Accuracy is also given by level and, where there are several domains, by domain.
    """
    if not groups:
        return {}
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    lengths = [rollout.length for rollout in rollouts]
    ended = {
        f"response/{reason}": float(np.mean([rollout.finish == reason for rollout in rollouts]))
        for reason in ("stop", "length", "repetition")
    }
    several_domains = len({group.problem.domain for group in groups}) > 1
    return {
        "reward/mean": float(np.mean([value for group in groups for value in group.reward])),
        "accuracy": float(np.mean([value for group in groups for value in group.outcome])),
        "response/tokens_mean": float(np.mean(lengths)),
        "response/tokens_p95": float(np.percentile(lengths, 95)),
        "prompt/tokens_mean": float(np.mean([len(group.prompt_tokens) for group in groups])),
        **ended,
        **_means("accuracy/level_{}", ((g.problem.difficulty, g.outcome) for g in groups)),
        **_means("accuracy/{}", ((g.problem.domain, g.outcome) for g in groups if several_domains)),
        **_means("reward/{}", (part for group in groups for part in group.parts.items())),
    }


def certainty(groups: Sequence[RolloutGroup]) -> dict[str, float]:
    """How sure the mean outcome is: its standard error, and how many different questions it goes by
    (problems that ask the same are one draw); empty for fewer than two.
    """
    numbers: dict[str, int] = {}
    question_P = [numbers.setdefault(fingerprint_of(g.problem), len(numbers)) for g in groups]
    if len(numbers) < 2:
        return {}
    value_P = torch.tensor([group.success_rate for group in groups], dtype=torch.double)
    error = standard_error(value_P, torch.tensor(question_P))
    return {"accuracy_error": float(error), "questions": float(len(numbers))}


def _ages(groups: Sequence[RolloutGroup], iteration: int) -> dict[str, float]:
    """Share of the tokens of finished groups by how many iterations ago they were sampled."""
    versions = [v for group in groups for rollout in group.rollouts for v in rollout.versions]
    counts = Counter(iteration - version for version in versions)
    return {f"response/age_{age}": counts[age] / len(versions) for age in sorted(counts)}


def _means(name: str, items: Iterable[tuple[object, tuple[float, ...]]]) -> dict[str, float]:
    values: dict[object, list[float]] = defaultdict(list)
    for key, group_values in items:
        values[key].extend(group_values)
    return {
        name.format(key): float(np.mean(values[key]))
        for key in sorted(values, key=str)
        if key is not None
    }
