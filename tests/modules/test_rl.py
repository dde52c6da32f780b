"""RLModule: one iteration's gradient is eq. (3), however it is cut; what carries no signal is left
out.
"""

from dataclasses import replace
from functools import partial
from random import Random

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch.utils.data import DataLoader
from transformers import GPT2Config, GPT2LMHeadModel

from k15.engines.scripted import ScriptedEngine
from k15.losses.advantages import (
    leave_one_out,
    log_partition_baseline,
    mean_baseline,
    no_baseline,
    positive_only,
    standardized,
)
from k15.losses.mirror_descent import mirror_descent
from k15.losses.policy_gradient import reinforce
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.modules.rl import RLModule
from k15.sizes import Sizes
from k15.tasks.make24 import Make24
from k15.types import Experience, Rollout, RolloutGroup, Segment
from tests.closeness import close

TASK = Make24()
TAU = 0.5


def policy() -> Policy:
    torch.manual_seed(0)
    return tiny_policy(words=TASK.words)


def experience(of: Policy, rewards: list[list[float]], old_segments: bool = False) -> Experience:
    """Random responses of different lengths with given rewards."""
    rng = Random(0)
    groups = []
    for index, reward in enumerate(rewards):
        problem = TASK.problem(index)
        rollouts = []
        for _ in reward:
            tokens = [
                tuple(rng.randrange(5, 127) for _ in range(rng.randint(2, 20))) for _ in range(2)
            ]
            segments = tuple(
                Segment(tokens=part, logps=(0.0,) * len(part), version=version)
                for part, version in zip(tokens, (0 if old_segments else 1, 1), strict=True)
            )
            rollouts.append(Rollout(segments=segments, finish="stop"))
        groups.append(
            RolloutGroup(
                problem=problem,
                prompt_tokens=of.encode(problem),
                rollouts=tuple(rollouts),
                reward=tuple(reward),
                outcome=tuple(reward),
            )
        )
    return Experience(iteration=1, groups=tuple(groups))


class Fixed(LightningDataModule):
    """Hands out the same experience every epoch."""

    def __init__(self, batch: Experience) -> None:
        super().__init__()
        self.batch = batch

    def train_dataloader(self) -> DataLoader:
        return DataLoader([self.batch], batch_size=None)


class Noting(ScriptedEngine):
    """What it is asked to do, in order."""

    def __init__(self) -> None:
        super().__init__({})
        self.calls: list[str] = []

    def load_weights(self, weights, version: int) -> None:
        super().load_weights(weights, version)
        self.calls.append(f"load {version}")

    def wake(self) -> None:
        self.calls.append("wake")

    def sleep(self) -> None:
        self.calls.append("sleep")


def module_of(of: Policy, **settings) -> RLModule:
    defaults = {
        "engine": ScriptedEngine({}),
        "loss": partial(mirror_descent, tau=TAU),
        "advantage": mean_baseline,
        "learning_rate": 1e-3,
        "gradient_clip": 1e9,
    }
    sizes = {
        name: settings.pop(name, default)
        for name, default in {
            "problems_per_iteration": 4,
            "samples_per_problem": 3,
            "minibatches_per_iteration": 1,
            "tokens_per_microbatch": 4096,
        }.items()
    }
    return RLModule(of, sizes=Sizes(**sizes), **(defaults | settings))


def train(of: Policy, batch: Experience, epochs: int = 1, **settings) -> tuple[RLModule, Trainer]:
    module = module_of(of, **settings)
    return module, fitted(module, batch, epochs)


def fitted(module: RLModule, batch: Experience, epochs: int = 1) -> Trainer:
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, Fixed(batch))
    return trainer


def weights(of: Policy) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in of.model.parameters()])


def gradients(of: Policy) -> torch.Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in of.model.parameters()])


def halves(batch: Experience) -> tuple[tuple[RolloutGroup, ...], ...]:
    """The two minibatches of an experience of four groups, in the order that seed 0 gives."""
    order = Random("0/1").sample(range(4), 4)
    return tuple(tuple(batch.groups[i] for i in half) for half in (order[:2], order[2:]))


def literal_gradient(of: Policy, reference: Policy, batch: Experience) -> torch.Tensor:
    """Eq. (3) word by word, one response at a time, averaged over the problems."""
    of.model.zero_grad()
    for group in batch.groups:
        k, mean = len(group.reward), sum(group.reward) / len(group.reward)
        for rollout, reward in zip(group.rollouts, group.reward, strict=True):
            logp, logp_i = (log_probability(p, group, rollout) for p in (of, reference))
            objective = logp * (reward - mean) - TAU / 2 * (logp - logp_i.detach()) ** 2
            (-objective / k / len(batch.groups)).backward()
    return gradients(of)


def log_probability(of: Policy, group: RolloutGroup, rollout: Rollout) -> torch.Tensor:
    return log_probabilities(of, group, rollout).sum()


def log_probabilities(of: Policy, group: RolloutGroup, rollout: Rollout) -> torch.Tensor:
    """[T]"""
    tokens = torch.tensor([group.prompt_tokens + rollout.tokens])
    logits = of.model(input_ids=tokens).logits[0, len(group.prompt_tokens) - 1 : -1]
    return logits.log_softmax(-1).gather(-1, tokens[0, len(group.prompt_tokens) :, None])[:, 0]


REWARDS = [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


def test_the_first_step_follows_equation_3() -> None:
    trained, untouched = policy(), policy()
    batch = experience(trained, REWARDS)
    train(trained, batch)
    expected = literal_gradient(untouched, untouched, batch)
    close(gradients(trained), expected)


def test_later_steps_are_measured_against_the_policy_at_the_start() -> None:
    """Two minibatches: the second one's gradient is eq. (3) at the weights after the first step."""
    trained, reference, moved = policy(), policy(), policy()
    batch = experience(trained, REWARDS)
    first, second = halves(batch)
    train(moved, Experience(iteration=1, groups=first), problems_per_iteration=2)
    train(trained, batch, minibatches_per_iteration=2)
    expected = literal_gradient(moved, reference, Experience(iteration=1, groups=second))
    close(gradients(trained), expected, 1e-4)  # AdamW's step magnifies roundings near 0


@pytest.mark.parametrize("layout", ["shared", "bucketed"])
@pytest.mark.parametrize("tokens_per_microbatch", [1, 64, 200])
def test_weights_do_not_depend_on_the_micro_batches(
    tokens_per_microbatch: int, layout: str
) -> None:
    whole, cut = policy(), policy()
    batch = experience(whole, REWARDS)
    train(whole, batch, tokens_per_microbatch=100_000)
    train(cut, batch, tokens_per_microbatch=tokens_per_microbatch, layout=layout)
    close(gradients(cut), gradients(whole))


def test_groups_without_signal_leave_no_trace() -> None:
    """All right or all wrong: dropped from the loss and from the denominator."""
    with_them, without = policy(), policy()
    rewards = [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    batch = experience(with_them, rewards)
    train(with_them, batch)
    train(without, Experience(iteration=1, groups=batch.groups[:2]))
    close(gradients(with_them), gradients(without))


@pytest.mark.parametrize(
    ("advantage", "kept"),
    [
        (mean_baseline, [1, 2]),
        (leave_one_out, [1, 2]),
        (standardized, [1, 2]),
        (partial(log_partition_baseline, tau=0.5), [1, 2]),
        (no_baseline, [0, 1, 2]),  # all right is as good as some right, all wrong pushes nothing
        (positive_only, [0, 1, 2]),
    ],
)
def test_the_signal_is_what_the_objective_compares(advantage, kept: list[int]) -> None:
    """All right; all right, but shorter is better; one right; all wrong. Outcomes are equal in all
    but the third.
    """
    of = policy()
    batch = experience(of, [[0.7] * 3, [1.0, 0.9, 1.1], [1.0, 0.0, 0.0], [0.0] * 3])
    groups = [
        replace(group, outcome=(float(index < 2),) * 3) if index != 2 else group
        for index, group in enumerate(batch.groups)
    ]
    batch = replace(batch, groups=tuple(groups))
    module = module_of(of, advantage=advantage)
    found = [group.problem.id for group, _ in module.select_groups(batch)]
    assert found == [groups[index].problem.id for index in kept]
    module.drop_zero_advantage = False
    assert len(module.select_groups(batch)) == 4


def test_two_passes_are_two_epochs_over_the_same_samples() -> None:
    """ReST (2308.08998 §3): with Adam's memory kept and one minibatch, as two iterations would be
    that have the same samples.
    """
    twice, again, once = policy(), policy(), policy()
    how = {"loss": reinforce, "advantage": positive_only, "optimizer_state": "keep"}
    _, trainer = train(twice, experience(twice, REWARDS), passes=2, **how)
    train(again, experience(again, REWARDS), epochs=2, **how)
    train(once, experience(once, REWARDS), **how)
    assert trainer.callback_metrics["train/steps"] == 2
    close(weights(twice), weights(again), share=1e-4)
    assert not torch.allclose(weights(twice), weights(once))


def test_each_pass_has_every_group_once_in_an_order_of_its_own() -> None:
    of = policy()
    module = module_of(of, minibatches_per_iteration=4)
    groups = module.select_groups(experience(of, REWARDS))
    turns = [[m.sequences for m in module.minibatches(groups, 1, turn=turn)] for turn in range(6)]
    assert turns == [[3] * 4] * 6
    orders = {
        tuple(
            m.micro_batches[0].responses[0].problem
            for m in module.minibatches(groups, 1, turn=turn)
        )
        for turn in range(6)
    }
    assert len(orders) > 1
    assert {frozenset(order) for order in orders} == {frozenset(g.problem.id for g, _ in groups)}
    with pytest.raises(ValueError, match=r"module\.passes=0: choose 1 or more"):
        module_of(of, passes=0)


def test_an_iteration_without_any_signal_changes_nothing() -> None:
    trained, untouched = policy(), policy()
    _, trainer = train(trained, experience(trained, [[0.0, 0.0, 0.0]] * 4))
    assert torch.equal(weights(trained), weights(untouched))
    assert trainer.callback_metrics["train/groups_without_signal"] == 4


def test_older_segments_can_be_left_out_of_the_loss() -> None:
    """The masked tokens' log-probability does not move the loss: eq. (3) over the last segment."""
    trained, untouched = policy(), policy()
    batch = experience(trained, REWARDS, old_segments=True)
    train(trained, batch, loss_on="current_segment")
    untouched.model.zero_grad()
    for group in batch.groups:
        mean = sum(group.reward) / 3
        for rollout, reward in zip(group.rollouts, group.reward, strict=True):
            tokens = group.prompt_tokens + rollout.tokens
            start = len(tokens) - len(rollout.segments[-1].tokens)
            ids = torch.tensor([tokens])
            logits = untouched.model(input_ids=ids).logits[0, start - 1 : -1]
            logp = logits.log_softmax(-1).gather(-1, ids[0, start:, None]).sum()
            (-logp * (reward - mean) / 12).backward()
    close(gradients(trained), gradients(untouched))


def ended_earlier(batch: Experience, *indices: int) -> Experience:
    """The same, but these responses of every group ended in an older iteration."""

    def older(rollout: Rollout) -> Rollout:
        segments = tuple(replace(segment, version=0) for segment in rollout.segments)
        return replace(rollout, segments=segments)

    groups = [
        replace(
            g, rollouts=tuple(older(r) if i in indices else r for i, r in enumerate(g.rollouts))
        )
        for g in batch.groups
    ]
    return replace(batch, groups=tuple(groups))


def test_the_baseline_is_over_what_is_trained() -> None:
    """The first response ended earlier. Rewards of the others: (0, 0), (1, 0), (1, 0), (0, 1)."""
    of = policy()
    batch = ended_earlier(experience(of, REWARDS), 0)
    module = module_of(of, loss_on="current_segment")
    credited = module.select_groups(batch)
    assert [group.problem.id for group, _ in credited] == [g.problem.id for g in batch.groups[1:]]
    advantages = [advantage_G1[:, 0].tolist() for _, advantage_G1 in credited]
    assert advantages == [[0.5, -0.5], [0.5, -0.5], [-0.5, 0.5]]
    everything = module_of(of).select_groups(batch)
    assert all(abs(float(advantage.sum())) < 1e-9 for _, advantage in everything)
    assert [len(group.rollouts) for group, _ in everything] == [3, 3, 3, 3]


@pytest.mark.parametrize("earlier", [(0, 1), (0, 1, 2)])
def test_a_lone_response_has_no_baseline(earlier: tuple[int, ...]) -> None:
    """One or none of three is trained: nothing to compare, but REINFORCE does not compare."""
    of = policy()
    batch = ended_earlier(experience(of, [[0.0, 0.0, 1.0]] * 4), *earlier)
    compared = module_of(of, loss_on="current_segment")
    alone = module_of(of, loss_on="current_segment", advantage=no_baseline)
    assert compared.select_groups(batch) == []
    assert len(alone.select_groups(batch)) == (4 if len(earlier) == 2 else 0)


def test_the_mean_is_over_the_responses_that_are_trained() -> None:
    """Two responses of three are trained in each of six groups: eq. (3) over twelve responses."""
    trained, untouched = policy(), policy()
    batch = ended_earlier(experience(trained, REWARDS[1:] * 2), 0)
    train(trained, batch, loss_on="current_segment")
    untouched.model.zero_grad()
    for group in batch.groups:
        mean = sum(group.reward[1:]) / 2
        for rollout, reward in zip(group.rollouts[1:], group.reward[1:], strict=True):
            logp = log_probability(untouched, group, rollout)
            (-logp * (reward - mean) / 12).backward()
    close(gradients(trained), gradients(untouched))


def test_groups_are_shuffled_by_seed_and_iteration() -> None:
    """Experience comes sorted by age; what is trained together must not depend on it."""
    of = policy()
    batch = experience(of, REWARDS)

    def parts(iteration: int, **settings) -> list[list[tuple[int, ...]]]:
        module = module_of(of, minibatches_per_iteration=2, **settings)
        minibatches = module.minibatches(module.select_groups(batch), iteration)
        return [
            sorted(
                each.example.response_tokens
                for micro in part.micro_batches
                for each in micro.responses
            )
            for part in minibatches
        ]

    seen = [parts(iteration) for iteration in range(20)]
    assert [len(part) for part in seen[0]] == [6, 6]
    assert seen == [parts(iteration) for iteration in range(20)]  # as after a resume
    # 6 ways to choose the first two of four groups
    assert len({tuple(first) for first, _ in seen}) > 3
    assert seen != [parts(iteration, seed=1) for iteration in range(20)]


def test_the_mismatch_is_that_of_fresh_tokens() -> None:
    """The engine reported 0 nats for every token: |log π_i| per token that version 1 sampled."""
    of = policy()
    batch = experience(of, REWARDS, old_segments=True)
    _, trainer = train(of, batch, learning_rate=0.0)
    expected, tokens = 0.0, 0
    for group in batch.groups:
        for rollout in group.rollouts:
            fresh = len(rollout.segments[-1].tokens)
            expected -= log_probabilities(of, group, rollout)[-fresh:].sum().item()
            tokens += fresh
    figures = trainer.callback_metrics
    assert float(figures["train/engine_mismatch"]) == pytest.approx(expected / tokens, rel=1e-5)


def test_without_fresh_tokens_there_is_no_mismatch() -> None:
    of = policy()
    _, trainer = train(of, ended_earlier(experience(of, REWARDS), 0, 1, 2))
    assert "train/engine_mismatch" not in trainer.callback_metrics


def test_figures_of_learning() -> None:
    """Advantages are 2/3 and twice -1/3, or twice 1/3 and -2/3: mean square 2/9."""
    of = policy()
    _, trainer = train(of, experience(of, REWARDS), minibatches_per_iteration=2)
    figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert figures["train/steps"] == 2
    assert figures["train/learning_rate"] == pytest.approx(1e-3)
    assert figures["train/advantage_std"] == pytest.approx((2 / 9) ** 0.5)


def test_the_divergence_from_the_start() -> None:
    """exp(-r) - 1 + r for every token that π_i sampled, r its log-ratio to the weights the module
    came with; nothing moves at learning rate 0 but what the test moves.
    """
    of, start = policy(), policy()
    batch = experience(of, REWARDS, old_segments=True)
    module = module_of(of, kl_to_start=True, learning_rate=0.0)
    with torch.no_grad():
        for parameter in of.model.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    fit = fitted(module, batch)
    ratios = [
        (log_probabilities(of, g, r) - log_probabilities(start, g, r))[len(r.segments[0].tokens) :]
        for g in batch.groups
        if len({*g.reward}) > 1
        for r in g.rollouts
    ]
    ratio_N = torch.cat(ratios).detach()
    expected = float(((-ratio_N).exp() - 1 + ratio_N).mean())
    assert float(fit.callback_metrics["train/kl_to_start"]) == pytest.approx(expected, rel=1e-4)
    assert expected > 1e-3


def test_measuring_the_divergence_changes_nothing() -> None:
    """Not what is trained, nor what a checkpoint holds."""
    found = {}
    for measured in (True, False):
        of = policy()
        module, _ = train(of, experience(of, REWARDS), epochs=3, kl_to_start=measured)
        found[measured] = weights(of), module.state_dict().keys()
    assert torch.equal(found[True][0], found[False][0]) and found[True][1] == found[False][1]


def test_the_optimizer_forgets_between_iterations_unless_told_not_to() -> None:
    batch = experience(policy(), REWARDS)
    steps = {}
    for how in ("reset", "keep"):
        module, _ = train(policy(), batch, epochs=3, optimizer_state=how)
        state = module.optimizers().optimizer.state
        steps[how] = {int(entry["step"]) for entry in state.values()}
    assert steps == {"reset": {1}, "keep": {3}}


def test_the_engine_gets_the_weights_of_every_iteration_and_sleeps_while_they_change() -> None:
    of, engine = policy(), Noting()
    train(of, experience(of, REWARDS), epochs=3, engine=engine)
    assert engine.calls == [
        call for version in range(3) for call in ("wake", f"load {version}", "sleep")
    ]


def gpt2_with_dropout() -> Policy:
    """Dropout of 0.1 behind the embeddings, in attention and behind every layer."""
    torch.manual_seed(0)
    tokenizer = policy().tokenizer
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}
    config = GPT2Config(vocab_size=len(tokenizer), eos_token_id=1, bos_token_id=None, **sizes)
    assert config.resid_pdrop == config.embd_pdrop == config.attn_pdrop == 0.1
    return Policy(GPT2LMHeadModel(config), tokenizer)


@pytest.mark.parametrize("layout", ["shared", "bucketed"])
def test_dropout_does_not_move_the_policy(layout: str) -> None:
    """At learning rate 0 the policy is its reference, in the minibatches after the first, too."""
    of = gpt2_with_dropout()
    assert of.model.training
    settings = {"minibatches_per_iteration": 4, "learning_rate": 0.0}
    _, trainer = train(of, experience(of, REWARDS), layout=layout, **settings)
    assert float(trainer.callback_metrics["train/sequence_log_ratio"]) < 1e-5
    assert float(trainer.callback_metrics["train/gradient_norm"]) > 1e-3


def test_settings_that_cannot_work_are_refused_by_name() -> None:
    of = policy()
    batch = experience(of, REWARDS)
    with pytest.raises(ValueError, match="samples_per_problem"):
        train(of, batch, samples_per_problem=1)
    with pytest.raises(ValueError, match="loss_on='new'"):
        train(of, batch, loss_on="new")
    with pytest.raises(ValueError, match=r"module\.temperature=0\.0"):
        train(of, batch, temperature=0.0)
