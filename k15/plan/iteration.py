"""The time of an iteration: what the collector's clock says, and the passes of training behind it.

rollout ─► reward that is not hidden ─► reference ─► learning, steps ─► sync
with overlap:   the longer one of rollout and training
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean

from k15.plan.costs import Costs, Work, pairs_of
from k15.plan.lengths import Lengths
from k15.plan.simulate import Rollouts, simulate, unit_of
from k15.rollouts.plan import RolloutPlan
from k15.types import Example, RolloutGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """Seconds of its parts, means over iterations."""

    parts: dict[str, float]
    overlap: bool = False
    """Rollouts of the next one are made meanwhile."""
    generated: float = 0.0
    """Tokens."""
    trained: float = 0.0
    """Tokens that go through the model for learning."""
    busy: float = 1.0
    """Share of the engine's slots that generate, of its steps."""

    @property
    def seconds(self) -> float:
        """Of the whole."""
        sampling = self.parts.get("rollout", 0.0) + self.parts.get("reward", 0.0)
        training = sum(self.parts.values()) - sampling
        return max(sampling, training) if self.overlap else sampling + training

    @property
    def longest(self) -> str:
        """The part that takes most."""
        return max(self.parts, key=lambda name: self.parts[name])


def whole_iteration(
    plan: RolloutPlan,
    lengths: Lengths,
    costs: Costs,
    work: Work,
    *,
    ranks: int,
    engines: int,
    slots: int,
    budget: int,
    shared: bool,
    start_copy: bool,
    drop: bool,
    passes: int,
    reward_seconds: float,
    iterations: int,
    first: int,
) -> Iteration:
    """Of RL with this plan: `engines` generate and `ranks` train.

    `budget` are tokens of a micro-batch, `shared` is the layout with one prompt for all samples.
    """
    done = simulate(
        plan, lengths, costs, work, ranks=engines, slots=slots, iterations=iterations, first=first
    )
    unit = unit_of(plan, lengths)
    found = [trained(each.groups, shared, drop, unit) for each in done]
    learning = [
        training_parts(
            tokens,
            pairs,
            plan.sizes.minibatches_per_iteration,
            costs,
            work,
            ranks,
            budget,
            start_copy,
        )
        for tokens, pairs in found
    ]
    parts = {
        "rollout": mean(each.seconds for each in done),
        "reward": mean(unhidden(each, plan.scoring_threads, reward_seconds) for each in done),
        **{name: mean(each[name] for each in learning) for name in learning[0]},
        "sync": costs.sync,
    }
    return Iteration(
        parts=parts,
        overlap=bool(getattr(plan, "overlap", False)),
        generated=mean(each.tokens for each in done),
        trained=mean(tokens for tokens, _ in found),
        busy=mean(each.busy for each in done),
    )


def trained(
    groups: Iterable[RolloutGroup], shared: bool, drop: bool, unit: int
) -> tuple[float, float]:
    """Tokens that go through the model, and pairs that attend to each other."""
    tokens = pairs = 0.0
    for group in groups:
        if drop and len(set(group.reward)) == 1:
            continue
        prompt = len(group.prompt_tokens) * unit
        responses = [rollout.length * unit for rollout in group.rollouts]
        tokens += prompt * (1 if shared else len(responses)) + sum(responses)
        pairs += pairs_of(prompt + length for length in responses)
    return tokens, pairs


def training_parts(
    tokens: float,
    pairs: float,
    minibatches: int,
    costs: Costs,
    work: Work,
    ranks: int,
    budget: int,
    start_copy: bool,
    passes: int = 1,
) -> dict[str, float]:
    """Seconds of `RLModule.training_step`: log π_i of all minibatches but the first, a forward
    and a backward pass over each, a step, and the distance to the start over one; `passes` times
    as many minibatches.
    """
    forward = work.forward(tokens, pairs) / ranks / costs.forward_rate
    read_again = passes * minibatches - 1 + start_copy
    micro_batches = max(1, math.ceil(tokens / ranks / minibatches / budget))
    exchanged = costs.exchange_step + micro_batches * costs.exchange_micro_batch
    return {
        "reference": forward * read_again / minibatches,
        "learning": passes * work.learn(tokens, pairs) / ranks / costs.learn_rate,
        "optimizer": passes * minibatches * costs.optimizer_step,
        "between devices": passes * minibatches * exchanged,
    }


def unhidden(rollouts: Rollouts, threads: int, seconds: float) -> float:
    """Seconds of scoring that no rollout hides: at least the last group's."""
    left = seconds * len(rollouts.groups) / threads - rollouts.seconds
    return max(seconds, left)


def supervised_step(
    examples: Sequence[Example], tokens: int, costs: Costs, work: Work
) -> Iteration:
    """An optimizer step of a stage that learns from given texts, on one rank's part of a batch."""
    lengths = [example.length for example in examples]
    pairs = pairs_of(lengths) * tokens / sum(lengths)
    parts = {
        "learning": work.learn(tokens, pairs) / costs.learn_rate,
        "optimizer": costs.optimizer_step,
        "between devices": costs.exchange_step + costs.exchange_micro_batch,
    }
    return Iteration(parts=parts, trained=float(tokens))
