"""RLModule: one iteration's gradient is eq. (3), however it is cut; what carries no signal is left
out.
"""

from functools import partial
from random import Random

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch.utils.data import DataLoader
from transformers import GPT2Config, GPT2LMHeadModel

from k15.losses.advantages import mean_baseline
from k15.losses.mirror_descent import mirror_descent
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.modules.rl import RLModule
from k15.sizes import Sizes
from k15.tasks.make24 import Make24
from k15.types import Experience, Rollout, RolloutGroup, Segment

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
    """Hands out the same experience every epoch, and takes weights like the real one."""

    def __init__(self, batch: Experience) -> None:
        super().__init__()
        self.batch = batch
        self.versions: list[int] = []

    def train_dataloader(self) -> DataLoader:
        return DataLoader([self.batch], batch_size=None)

    def sync(self, weights, version: int) -> None:
        self.versions.append(version)


def train(of: Policy, batch: Experience, epochs: int = 1, **settings) -> tuple[RLModule, Trainer]:
    defaults = {
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
    module = RLModule(of, sizes=Sizes(**sizes), **(defaults | settings))
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, Fixed(batch))
    return module, trainer


def weights(of: Policy) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in of.model.parameters()])


def gradients(of: Policy) -> torch.Tensor:
    return torch.cat([parameter.grad.flatten() for parameter in of.model.parameters()])


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
    tokens = torch.tensor([group.prompt_tokens + rollout.tokens])
    logits = of.model(input_ids=tokens).logits[0, len(group.prompt_tokens) - 1 : -1]
    return logits.log_softmax(-1).gather(-1, tokens[0, len(group.prompt_tokens) :, None]).sum()


REWARDS = [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


def test_the_first_step_follows_equation_3() -> None:
    trained, untouched = policy(), policy()
    batch = experience(trained, REWARDS)
    train(trained, batch)
    expected = literal_gradient(untouched, untouched, batch)
    torch.testing.assert_close(gradients(trained), expected, atol=1e-5, rtol=0)


def test_later_steps_are_measured_against_the_policy_at_the_start() -> None:
    """Two minibatches: the second one's gradient is eq. (3) at the weights after the first step."""
    trained, reference, moved = policy(), policy(), policy()
    batch = experience(trained, REWARDS)
    first, second = batch.groups[:2], batch.groups[2:]
    train(moved, Experience(iteration=1, groups=first), problems_per_iteration=2)
    train(trained, batch, minibatches_per_iteration=2)
    expected = literal_gradient(moved, reference, Experience(iteration=1, groups=second))
    torch.testing.assert_close(gradients(trained), expected, atol=5e-5, rtol=0)


@pytest.mark.parametrize("share_prompts", [True, False])
@pytest.mark.parametrize("tokens_per_microbatch", [1, 64, 200])
def test_weights_do_not_depend_on_the_micro_batches(
    tokens_per_microbatch: int, share_prompts: bool
) -> None:
    whole, cut = policy(), policy()
    batch = experience(whole, REWARDS)
    train(whole, batch, tokens_per_microbatch=100_000)
    train(cut, batch, tokens_per_microbatch=tokens_per_microbatch, share_prompts=share_prompts)
    torch.testing.assert_close(gradients(cut), gradients(whole), atol=1e-5, rtol=0)


def test_groups_without_signal_leave_no_trace() -> None:
    """All right or all wrong: dropped from the loss and from the denominator."""
    with_them, without = policy(), policy()
    rewards = [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    batch = experience(with_them, rewards)
    train(with_them, batch)
    train(without, Experience(iteration=1, groups=batch.groups[:2]))
    torch.testing.assert_close(gradients(with_them), gradients(without), atol=1e-6, rtol=0)


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
    torch.testing.assert_close(gradients(trained), gradients(untouched), atol=1e-5, rtol=0)


def test_the_optimizer_forgets_between_iterations_unless_told_not_to() -> None:
    batch = experience(policy(), REWARDS)
    steps = {}
    for reset in (True, False):
        module, _ = train(policy(), batch, epochs=3, reset_optimizer=reset)
        state = module.optimizers().optimizer.state
        steps[reset] = {int(entry["step"]) for entry in state.values()}
    assert steps == {True: {1}, False: {3}}


def test_the_engine_gets_the_weights_of_every_iteration() -> None:
    of = policy()
    _, trainer = train(of, experience(of, REWARDS), epochs=3)
    assert trainer.datamodule.versions == [0, 1, 2]


def gpt2_with_dropout() -> Policy:
    """Dropout of 0.1 behind the embeddings, in attention and behind every layer."""
    torch.manual_seed(0)
    tokenizer = policy().tokenizer
    sizes = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}
    config = GPT2Config(vocab_size=len(tokenizer), eos_token_id=1, bos_token_id=None, **sizes)
    assert config.resid_pdrop == config.embd_pdrop == config.attn_pdrop == 0.1
    return Policy(GPT2LMHeadModel(config), tokenizer)


@pytest.mark.parametrize("share_prompts", [True, False])
def test_dropout_does_not_move_the_policy(share_prompts: bool) -> None:
    """At learning rate 0 the policy is its reference, in the minibatches after the first, too."""
    of = gpt2_with_dropout()
    assert of.model.training
    settings = {"minibatches_per_iteration": 4, "learning_rate": 0.0}
    _, trainer = train(of, experience(of, REWARDS), share_prompts=share_prompts, **settings)
    assert float(trainer.callback_metrics["train/sequence_log_ratio"]) < 1e-5
    assert float(trainer.callback_metrics["train/gradient_norm"]) > 1e-3


def test_settings_that_cannot_work_are_refused_by_name() -> None:
    of = policy()
    batch = experience(of, REWARDS)
    with pytest.raises(ValueError, match="samples_per_problem"):
        train(of, batch, samples_per_problem=1)
    with pytest.raises(ValueError, match="loss_on='new'"):
        train(of, batch, loss_on="new")
