"""The data of RL: one batch per iteration, collected from the current policy when it is asked for.

    trainer asks ──► train dataset.__iter__ ──► collector.collect ──► one Experience
    module.on_train_epoch_start ──► sync(weights, iteration) ──► engine.load_weights, once per
    version

The datasets have length 1, so Lightning does not prefetch: an unsized one would be collected one
step too early, from weights that are out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from k15.datamodules.samplers import Sampler
from k15.datamodules.sources import ProblemSource
from k15.engines.protocol import RolloutEngine
from k15.models.policy import Policy
from k15.rewards.base import RewardCallback
from k15.rewards.scorer import Scorer
from k15.rollouts.collector import Collector, RolloutPlan
from k15.types import Experience


class OneExperience(IterableDataset[Experience]):
    """A data set of exactly one batch, made when it is iterated."""

    def __init__(self, make: Callable[[], Experience]) -> None:
        self.make = make

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Experience]:
        yield self.make()


class RLDataModule(LightningDataModule):
    """Samples problems, collects and scores rollouts, remembers what is unfinished."""

    def __init__(
        self,
        *,
        policy: Policy,
        source: ProblemSource,
        engine: RolloutEngine,
        sampler: Sampler,
        rewards: Mapping[str, RewardCallback],
        plan: RolloutPlan,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.policy = policy
        self.source = source
        self.sampler = sampler
        self.scorer = Scorer(rewards)
        self.collector = Collector(engine, policy, self.scorer.score, plan)
        self.seed = seed
        self.version: int | None = None

    def setup(self, stage: str) -> None:
        """Check every problem before any token is generated; runs once."""
        if self.sampler.problems:
            return
        self.check()
        self.sampler.bind(self.source.train, self.seed)

    def check(self) -> None:
        """Raise ValueError for problems that cannot be graded or do not fit into the context."""
        plan, context = self.collector.plan, self.policy.context
        for problems in (self.source.train, self.source.held_out):
            self.scorer.check(problems)
            for problem in problems:
                length = len(self.policy.expand(self.policy.encode(problem), problem.images).tokens)
                if length + plan.max_response_tokens > context:
                    raise ValueError(
                        f"problem {problem.id}: its prompt of {length} tokens and "
                        f"max_response_tokens={plan.max_response_tokens} exceed the model's context of "
                        f"{context}; shorten the responses, drop the problem, or raise model.context"
                    )

    def sync(self, weights: Iterable[tuple[str, Tensor]], version: int) -> None:
        """Give the engine the policy's weights, once per version."""
        if version != self.version:
            self.collector.engine.load_weights(weights, version)
            self.version = version

    def train_dataloader(self) -> DataLoader:
        """One `Experience` per epoch."""
        return DataLoader(OneExperience(self._collect), batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """The held-out problems, answered by the current policy."""
        return DataLoader(OneExperience(self._evaluate), batch_size=None)

    def state_dict(self) -> dict[str, Any]:
        """Sampler and unfinished rollouts: what the next iteration starts from."""
        return {"sampler": self.sampler.state_dict(), "buffer": self.collector.buffer.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where the checkpoint was written."""
        problems = {problem.id: problem for problem in self.source.train}
        self.sampler.load_state_dict(state_dict["sampler"])
        self.collector.buffer.load_state_dict(state_dict["buffer"], problems)

    def _collect(self) -> Experience:
        iteration = self.sampler.iteration = self._iteration()
        self.scorer.start_iteration()
        experience = self.collector.collect(self.sampler, iteration)
        for group in experience.groups:
            self.sampler.observe(group)
        metrics = {**experience.metrics, **self.sampler.metrics()}
        return Experience(iteration=iteration, groups=experience.groups, metrics=metrics)

    def _evaluate(self) -> Experience:
        self.scorer.start_iteration()
        assert self.version is not None
        return self.collector.evaluate(self.source.held_out, self.version)

    def _iteration(self) -> int:
        assert self.trainer is not None
        return self.trainer.current_epoch
