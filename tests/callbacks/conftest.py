"""A real Trainer on a fixed experience; what validation finds is given by the test."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from torch.utils.data import DataLoader

from k15.datamodules.rl import OneExperience
from k15.engines.scripted import ScriptedEngine
from k15.losses.advantages import mean_baseline
from k15.losses.mirror_descent import mirror_descent
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.modules.rl import RLModule
from k15.sizes import Sizes
from k15.tasks.make24 import Make24
from k15.types import Experience, Rollout, RolloutGroup, Segment

ANSWERS = ("<think>+a 25 no</think>\\boxed{+a}", "</think>\\boxed{-a}")
FIGURES = {"accuracy": 0.5, "reward/mean": 0.375, "response/tokens_mean": 6.5}
FIGURES |= {"time/rollout_seconds": 2.0, "rollout/tokens_per_second": 1234.4}


class Fixed(LightningDataModule):
    """Two groups per iteration: of each problem a right response and a wrong one."""

    def __init__(self, policy: Policy, modality: str, found: list[dict[str, float]]) -> None:
        super().__init__()
        self.policy = policy
        task = Make24(modality=modality)
        self.held_out = [task.problem(index, "held_out") for index in range(3)]
        self.problems = [task.problem(index) for index in range(2)]
        self.found = list(found)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(OneExperience(self._experience), batch_size=None)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(OneExperience(self._found), batch_size=None)

    def _experience(self) -> Experience:
        iteration = self.trainer.current_epoch
        groups = tuple(self._group(problem, iteration) for problem in self.problems)
        return Experience(iteration=iteration, groups=groups, metrics=FIGURES)

    def _found(self) -> Experience:
        groups = tuple(self._group(problem, 0) for problem in self.held_out)
        return Experience(iteration=0, groups=groups, metrics=self.found.pop(0))

    def _group(self, problem, iteration: int) -> RolloutGroup:
        rollouts = []
        for text in ANSWERS:
            tokens = self.policy.encode_response(text)
            segment = Segment(tokens=tokens, logps=(-1.0,) * len(tokens), version=iteration)
            rollouts.append(Rollout(segments=(segment,), finish="stop", text=text))
        return RolloutGroup(
            problem=problem,
            prompt_tokens=self.policy.encode(problem),
            rollouts=tuple(rollouts),
            parts={"answer": (1.0, 0.0), "length": (0.5, -0.5)},
            reward=(1.25, -0.25),
            outcome=(1.0, 0.0),
        )


class Run:
    """Trains `epochs` iterations; `found` are the figures of one validation after the other."""

    def __init__(
        self,
        *callbacks: Callback,
        policy: Policy,
        found: list[dict[str, float]] = (),
        modality: str = "text",
        epochs: int = 1,
        logger=False,
        checkpoints: Path | None = None,
        **sizes: int,
    ) -> None:
        sizes = {"minibatches_per_iteration": 1, **sizes}
        self.module = RLModule(
            policy,
            engine=ScriptedEngine({}),
            loss=partial(mirror_descent, tau=0.5),
            advantage=mean_baseline,
            learning_rate=1e-3,
            sizes=Sizes(problems_per_iteration=2, samples_per_problem=2, **sizes),
        )
        self.data = Fixed(policy, modality, found)
        self.trainer = Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            callbacks=list(callbacks),
            logger=logger,
            enable_checkpointing=checkpoints is not None,
            default_root_dir=checkpoints,
            num_sanity_val_steps=0,
            limit_val_batches=1.0 if found else 0,
            enable_progress_bar=False,
            enable_model_summary=False,
            log_every_n_steps=1,
        )

    def fit(self, resume: str | None = None) -> None:
        self.trainer.fit(self.module, self.data, ckpt_path=resume)

    def validate(self) -> None:
        self.trainer.validate(self.module, self.data, verbose=False)


@pytest.fixture
def make_policy() -> Callable[..., Policy]:
    def make(modality: str = "text") -> Policy:
        torch.manual_seed(0)
        return tiny_policy(words=Make24().words, modality=modality, hidden_size=32, layers=1)

    return make


@pytest.fixture
def run(make_policy) -> Iterator[Callable[..., Run]]:
    """Makes runs of fresh policies."""

    def make(*callbacks: Callback, policy: Policy | None = None, **settings) -> Run:
        modality = settings.get("modality", "text")
        return Run(*callbacks, policy=policy or make_policy(modality), **settings)

    return make
