"""The data of RL: one batch per iteration, collected from the current policy when it is asked for.

    trainer asks ──► train dataset.__iter__ ──► collector.collect ──► one Experience
    module.on_train_epoch_start ──► sync(engine, model, iteration) ──► engine.load_weights, once

With `plan.overlap` it is collected while the one before is trained on (`k15.rollouts.ahead`).

The datasets have length 1, so Lightning does not prefetch: an unsized one would be collected one
step too early, from weights that are out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, IterableDataset

from k15.config.errors import ConfigError
from k15.datamodules.loader import OwnRandomLoader
from k15.datamodules.samplers import Sampler
from k15.engines.protocol import RolloutEngine
from k15.models.policy import Policy
from k15.problems.lazy import chosen
from k15.problems.sources import ProblemSource
from k15.progress import phase
from k15.rewards.base import RewardCallback
from k15.rewards.scorer import Scorer
from k15.rollouts.ahead import Ahead, restored_experience, saved_experience
from k15.rollouts.collector import Collector
from k15.rollouts.plan import RolloutPlan
from k15.shard import everyone
from k15.types import Experience, Problem

LISTED = 5  # problems that cannot be used are named one by one up to here


class OneExperience(IterableDataset[Experience]):
    """A data set of exactly one batch, made when it is iterated."""

    def __init__(self, make: Callable[[], Experience]) -> None:
        self.make = make

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Experience]:
        yield self.make()


class RLDataModule(LightningDataModule):
    """Samples problems, collects and scores rollouts, remembers what is unfinished.

    Up to `max_refused` (a share) of the problems may be unusable: they are named and left out.
    """

    def __init__(
        self,
        *,
        policy: Policy,
        source: ProblemSource,
        engine: RolloutEngine,
        sampler: Sampler,
        rewards: Mapping[str, RewardCallback],
        plan: RolloutPlan,
        max_refused: float = 0.01,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.policy = policy
        self.source = source
        self.sampler = sampler
        self.scorer = Scorer(rewards)
        self.collector = Collector(engine, policy, self.scorer.score, plan)
        self.max_refused = max_refused
        self.seed = seed
        self.train: Sequence[Problem] = ()
        self.held_out: Sequence[Problem] = ()
        self.ahead: Ahead | None = None
        """Collects the next iteration,"""
        self.kept: Experience | None = None
        """and what a checkpoint had of it."""

    def setup(self, stage: str) -> None:
        """Check every problem before any token is generated; runs once.

        Raises:
            ConfigError: responses leave no room for a prompt, or too many problems cannot be used.
        """
        plan, shard = self.collector.plan, everyone(self.trainer)
        self.collector.shard = shard.apart(plan.overlap_seconds) if plan.overlap else shard
        if self.train:
            return
        if (longest := plan.max_response_tokens) >= self.policy.context:
            raise ConfigError(
                f"data.max_response_tokens={longest}: the model's context of {self.policy.context} "
                "tokens must hold the prompt, too; choose fewer"
            )
        self.train = self.usable(self.source.train)
        self.held_out = self.usable(self.source.held_out)
        self.sampler.bind(self.train, self.seed)

    def usable(self, problems: Sequence[Problem]) -> Sequence[Problem]:
        """The problems that can be graded and fit into the context; the others are named.

        Raises:
            ConfigError: more than `max_refused` of them cannot be used.
        """
        shard = self.collector.shard
        reasons: dict[str, str] = {}
        with phase("check", shard.part(len(problems)), " problems") as progress:
            for problem in shard.of(problems):
                reasons |= self.scorer.refusals([problem]) or self.too_long(problem)
                progress.update()
        reasons = {
            name: reason for part in shard.gathered(reasons) for name, reason in part.items()
        }
        if not reasons:
            return problems
        listed = "\n".join(f"  {name}: {reason}" for name, reason in list(reasons.items())[:LISTED])
        message = f"{len(reasons)} of {len(problems)} problems cannot be used:\n{listed}"
        if len(reasons) > self.max_refused * len(problems):
            raise ConfigError(
                f"{message}\nmore than datamodule.max_refused={self.max_refused} of them; "
                "mend the data, or raise the share"
            )
        if shard.rank == 0:
            print(f"{message}\nthey are left out", flush=True)
        return chosen(problems, [i for i, p in enumerate(problems) if p.id not in reasons])

    def too_long(self, problem: Problem) -> dict[str, str]:
        """Why a problem cannot be asked or does not fit into the context, by its id; else empty."""
        longest, context = self.collector.plan.max_response_tokens, self.policy.context
        try:
            length = self.policy.length(self.policy.encode(problem), problem.images)
        except ConfigError as error:
            return {problem.id: str(error).removeprefix(f"problem {problem.id}: ")}
        if length + longest <= context:
            return {}
        return {
            problem.id: f"its prompt of {length} tokens and max_response_tokens={longest} exceed "
            f"the model's context of {context}; shorten responses with data.max_response_tokens or "
            "take a model with a longer context"
        }

    def train_dataloader(self) -> DataLoader:
        """One `Experience` per epoch."""
        return OwnRandomLoader(OneExperience(self._collect), batch_size=None)

    def val_dataloader(self) -> DataLoader:
        """The held-out problems, answered by the current policy."""
        return OwnRandomLoader(OneExperience(self._evaluate), batch_size=None)

    def state_dict(self) -> dict[str, Any]:
        """What the next iteration starts from: sampler, unfinished rollouts, and what was collected
        ahead.
        """
        ready = self.ahead.experience() if self.ahead else self.kept
        return {
            "sampler": self.sampler.state_dict(),
            "buffer": self.collector.buffer.state_dict(),
            "ahead": ready and saved_experience(ready),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue where the checkpoint was written.

        Raises ValueError if its groups are of other data or of another size.
        """
        samples, ahead = self.collector.plan.sizes.samples_per_problem, state_dict.get("ahead")
        groups = [*state_dict["buffer"]["groups"], *(ahead["groups"] if ahead else ())]
        sizes = {len(group["rollouts"]) for group in groups}
        if sizes - {samples}:
            raise ValueError(
                f"sizes.samples_per_problem={samples}: the checkpoint holds unfinished groups of "
                f"{max(sizes - {samples})} samples; resume with as many"
            )
        problems = {problem.id: problem for problem in self.train}
        self.sampler.load_state_dict(state_dict["sampler"])
        self.collector.buffer.load_state_dict(state_dict["buffer"], problems)
        self.kept = restored_experience(ahead, problems) if ahead else None

    def on_exception(self, exception: BaseException) -> None:
        """Nobody will train on what is collected now."""
        if self.ahead:
            self.ahead.abandon(self.collector.engine)

    def _collect(self) -> Experience:
        """This iteration's, collected ahead or now; the next one's is begun where it is to be."""
        assert self.trainer is not None
        iteration, plan = self.trainer.current_epoch, self.collector.plan
        experience = self._taken() or self._collected(iteration, iteration)
        assert experience.iteration == iteration, "what was collected ahead is of another iteration"
        if not plan.overlap or iteration + 1 == self.trainer.max_epochs:
            return experience
        self._check_engine()
        next_one = partial(self._collected, iteration + 1, iteration)
        self.ahead = Ahead(next_one, plan.overlap_seconds)
        return replace(experience, wait_for_next=self.ahead.wait)

    def _taken(self) -> Experience | None:
        """What was collected ahead, once."""
        ready = self.ahead.experience() if self.ahead else self.kept
        self.ahead = self.kept = None
        return ready

    def _collected(self, iteration: int, version: int) -> Experience:
        """An iteration by weights of a version, its own or those before; the sampler learns."""
        assert self.collector.engine.version == version, f"the engine's weights are not π_{version}"
        self.sampler.iteration = iteration
        self.scorer.start_iteration()
        older = None if version == iteration else version
        experience = self.collector.collect(self.sampler, iteration, older)
        for group in experience.groups:
            self.sampler.observe(group)
        return replace(experience, metrics={**experience.metrics, **self.sampler.metrics()})

    def _check_engine(self) -> None:
        """Raises ConfigError if the engine cannot generate while the policy trains."""
        if self.collector.plan.overlap and not self.collector.engine.beside_training:
            raise ConfigError(
                "datamodule.plan.overlap=true: this engine uses the weights or the devices of the "
                "training; take engine=vllm_server, engine=transformers with engine.copy=true, or "
                "overlap=false"
            )

    def _evaluate(self) -> Experience:
        self._check_engine()
        self.scorer.start_iteration()
        version = self.collector.engine.version
        assert version is not None, "the engine has no weights"
        return self.collector.evaluate(self.held_out, version)
