"""Whole iterations, from the engine's tokens to the weights, against eq. (3) written down again."""

from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from random import Random

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from k15.datamodules.rl import RLDataModule
from k15.datamodules.samplers import Uniform
from k15.engines.transformers import TransformersEngine
from k15.losses.advantages import mean_baseline
from k15.losses.mirror_descent import mirror_descent
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.modules.rl import RLModule
from k15.problems.sources import TaskSource
from k15.rewards.base import RewardCallback
from k15.rollouts.plan import RolloutPlan
from k15.sizes import Sizes
from k15.tasks.make24 import Make24
from k15.types import Experience, Rollout, RolloutGroup
from tests.closeness import close

ITERATIONS, SEED = 4, 3
SIZES = Sizes(
    problems_per_iteration=12,
    samples_per_problem=6,
    minibatches_per_iteration=3,
    tokens_per_microbatch=60,
)
TAU, LEARNING_RATE, CLIP, WEIGHT_DECAY, BETAS = 0.5, 1e-3, 1.0, 0.1, (0.9, 0.95)
# Adam divides a gradient by its own size and this, so that rounding of one near 0 is no whole step.
EPSILON = 1e-4


class Even(RewardCallback):
    """1 for an even number of tokens: a fresh model's responses differ in it."""

    outcome = True

    def score(self, group: RolloutGroup) -> list[float]:
        return [float(rollout.length % 2 == 0) for rollout in group.rollouts]


class Watching(Callback):
    def __init__(self) -> None:
        self.experiences: list[Experience] = []

    def on_fit_start(self, trainer, pl_module) -> None:
        for group in trainer.optimizers[0].param_groups:
            group["eps"] = EPSILON

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.experiences.append(batch)


def weights(model) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def the_framework(
    policy: Policy, *, cut: bool = False, copy: bool = False, **settings
) -> list[Experience]:
    """A run as train.py puts it together, of which this is what it collected."""
    loss = partial(mirror_descent, tau=TAU)
    optimizer = {"learning_rate": LEARNING_RATE, "betas": BETAS, "weight_decay": WEIGHT_DECAY}
    engine = TransformersEngine(policy, slots=8, copy=copy)
    module = RLModule(
        policy,
        engine=engine,
        loss=loss,
        advantage=mean_baseline,
        sizes=SIZES,
        gradient_clip=CLIP,
        seed=SEED,
        **optimizer,
        **settings,
    )
    plan = RolloutPlan(
        sizes=SIZES,
        max_response_tokens=16,
        segment_tokens=None if cut else 6,
        cut_unfinished=cut,
        oversampling=2.0,
    )
    data = RLDataModule(
        policy=policy,
        source=TaskSource(Make24(seed=5), train_problems=40, held_out_problems=2),
        engine=engine,
        sampler=Uniform(),
        rewards={"even": Even()},
        plan=plan,
    )
    watching = Watching()
    trainer = Trainer(
        max_epochs=ITERATIONS,
        accelerator="cpu",
        callbacks=[watching],
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, data)
    return watching.experiences


class AdamW:
    """Loshchilov and Hutter (1711.05101), algorithm 2."""

    def __init__(self) -> None:
        self.step, self.first, self.second = 0, {}, {}

    @torch.no_grad()
    def __call__(self, named: dict[str, Tensor]) -> None:
        self.step += 1
        for name, weight in named.items():
            gradient = weight.grad
            m = self.first[name] = mixed(self.first.get(name), gradient, BETAS[0])
            v = self.second[name] = mixed(self.second.get(name), gradient**2, BETAS[1])
            m_hat, v_hat = m / (1 - BETAS[0] ** self.step), v / (1 - BETAS[1] ** self.step)
            step = m_hat / (v_hat.sqrt() + EPSILON) + WEIGHT_DECAY * weight
            weight -= LEARNING_RATE * step


def mixed(old: Tensor | None, new: Tensor, beta: float) -> Tensor:
    return (1 - beta) * new if old is None else beta * old + (1 - beta) * new


def equation_3(model, experiences: list[Experience], loss_on: str) -> Iterator[int]:
    """Train the model, one response at a time; yields the steps of each iteration."""
    named = dict(model.named_parameters())
    for experience in experiences:
        reference, adamw, steps = deepcopy(model), AdamW(), 0
        kept = [k for g in experience.groups if (k := trained(g, experience.iteration, loss_on))]
        order = Random(f"{SEED}/{experience.iteration}").sample(range(len(kept)), len(kept))
        for part in np.array_split(np.array(order, dtype=int), SIZES.minibatches_per_iteration):
            responses = [(g, r, a) for index in part for g, r, a in kept[index]]
            for group, rollout, advantage in responses:
                tokens = tokens_in_the_loss(rollout, experience.iteration, loss_on)
                logp, logp_i = (
                    log_probabilities(m, group, rollout)[tokens].sum() for m in (model, reference)
                )
                objective = advantage * logp - TAU / 2 * (logp - logp_i.detach()) ** 2
                (-objective / len(responses)).backward()
            if responses:
                clip(named)
                adamw(named)
                steps += 1
            model.zero_grad()
        yield steps


def trained(
    group: RolloutGroup, iteration: int, loss_on: str
) -> list[tuple[RolloutGroup, Rollout, float]]:
    """Responses with tokens in the loss and r - mean r over these; nothing if all are equal."""
    chosen = [
        (rollout, reward)
        for rollout, reward in zip(group.rollouts, group.reward, strict=True)
        if tokens_in_the_loss(rollout, iteration, loss_on).any()
    ]
    rewards = [reward for _, reward in chosen]
    if len(set(rewards)) < 2:
        return []
    return [(group, rollout, reward - sum(rewards) / len(rewards)) for rollout, reward in chosen]


def tokens_in_the_loss(rollout: Rollout, iteration: int, loss_on: str) -> Tensor:
    """[T] bool"""
    ages = [iteration - s.version for s in rollout.segments for _ in s.tokens]
    return torch.tensor([loss_on == "all" or age == 0 for age in ages])


def log_probabilities(model, group: RolloutGroup, rollout: Rollout) -> Tensor:
    """[T]"""
    first, ids = len(group.prompt_tokens), torch.tensor([group.prompt_tokens + rollout.tokens])
    logits = model(input_ids=ids).logits[0, first - 1 : -1]
    return logits.log_softmax(-1).gather(-1, ids[0, first:, None])[:, 0]


def clip(named: dict[str, Tensor]) -> None:
    """To a norm of at most CLIP over all weights."""
    norm = sum(float(weight.grad.square().sum()) for weight in named.values()) ** 0.5
    for weight in named.values():
        weight.grad *= min(1.0, CLIP / norm)


@pytest.mark.parametrize("loss_on", ["all", "current_segment"])
@pytest.mark.parametrize("cut", [False, True])
def test_whole_iterations_follow_equation_3(loss_on: str, cut: bool) -> None:
    """Partial rollouts, several minibatches, groups of unequal sizes, an optimizer that is reset.

    One token in eight ends a response, so that an untrained model's end in all three segments.
    """
    torch.manual_seed(0)
    policy = tiny_policy(words=Make24().words, hidden_size=32, context=64, initializer_range=0.1)
    policy.stop_ids = tuple(range(1, len(policy.tokenizer), 8))
    literal, start = deepcopy(policy.model), weights(policy.model)
    experiences = the_framework(policy, cut=cut, loss_on=loss_on)
    steps = list(equation_3(literal, experiences, loss_on))
    rollouts = [r for e in experiences for g in e.groups for r in g.rollouts]
    assert {len(rollout.segments) for rollout in rollouts} == ({1, 2} if cut else {1, 2, 3})
    assert (steps[0] == 0) is not cut and max(steps) >= 2 and sum(steps) >= 4
    found, expected = weights(policy.model) - start, weights(literal) - start
    assert expected.abs().median() > LEARNING_RATE / 2
    close(found, expected, 1e-3)  # behind twelve steps of an optimizer


def test_an_engine_with_weights_of_its_own_makes_the_same_run() -> None:
    """It is given those of each iteration, under their names, tied head and all."""
    runs = []
    for copy in (False, True):
        torch.manual_seed(0)
        of = tiny_policy(words=Make24().words, hidden_size=32, context=64, initializer_range=0.1)
        of.stop_ids = tuple(range(1, len(of.tokenizer), 8))
        start = weights(of.model)
        experiences = the_framework(of, copy=copy)
        rollouts = [g.rollouts for e in experiences for g in e.groups]
        runs.append((rollouts, weights(of.model), start))
    (shared, found, start), (own, expected, _) = runs
    assert shared == own and torch.equal(found, expected) and not torch.equal(found, start)
