"""DPO on a real model: references are those of the start, the gradient is that of the loss."""

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer

from k15.datamodules.loader import SharedLoader
from k15.losses.preference import Pairs, sigmoid
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.modules.preference import PreferenceModule
from k15.shard import Shard
from k15.tasks.make24 import Make24
from k15.types import Example, Preference
from tests.closeness import close
from tests.modules.fitting import fit

BETA = 0.2


def policy() -> Policy:
    torch.manual_seed(0)
    return tiny_policy(words=Make24().words, hidden_size=32, layers=1)


def pair(number: int) -> Preference:
    prompt = (5 + number, 20)
    return Preference(
        id=str(number),
        chosen=Example(prompt_tokens=prompt, response_tokens=tuple(range(30, 33 + number))),
        rejected=Example(prompt_tokens=prompt, response_tokens=tuple(range(50, 58))),
    )


PAIRS = [pair(number) for number in range(4)]


def loader(size: int) -> SharedLoader:
    """Batches of so many pairs, in their order."""
    return SharedLoader(PAIRS, [[*range(n, n + size)] for n in range(0, len(PAIRS), size)], Shard())


def module(**settings) -> PreferenceModule:
    loss = partial(sigmoid, beta=BETA)
    defaults = {"learning_rate": 1e-3, "warmup": 0.0, "loss": loss, "tokens_per_batch": 64}
    return PreferenceModule(policy(), **(defaults | settings))


def trained(size: int, **settings) -> tuple[PreferenceModule, Trainer]:
    made = module(**settings.pop("module", {}))
    data = LightningDataModule.from_datasets()
    data.train_dataloader = data.val_dataloader = lambda: loader(size)
    return made, fit(made, data, **settings)


def logp(of: Policy, example: Example) -> torch.Tensor:
    """By transformers' own forward."""
    tokens = torch.tensor([[*example.prompt_tokens, *example.response_tokens]])
    logps = of.model(input_ids=tokens).logits.log_softmax(-1)[0]
    start = len(example.prompt_tokens)
    return sum(logps[start + n - 1, token] for n, token in enumerate(example.response_tokens))


def test_references_are_those_of_the_start() -> None:
    """Though validation comes after training has begun, and training after a step."""
    made, trainer = trained(2)
    start = policy()
    for one in PAIRS:
        expected = [float(logp(start, example).detach()) for example in (one.chosen, one.rejected)]
        assert made.references[one.id] == pytest.approx(expected, abs=1e-4)
    assert float(trainer.callback_metrics["val/loss"]) < math.log(2)


def test_the_first_step_is_the_gradient_of_the_loss() -> None:
    """h = 0: the loss is log 2, the gradient −β/2 · ∇ Σ (log π(chosen) − log π(rejected))."""
    made = module()
    made.references = {}
    made.refer(PAIRS)
    terms, tokens = made.terms(PAIRS)
    assert float(terms.loss.detach()) / 4 == pytest.approx(math.log(2), abs=1e-6)
    assert tokens == sum(one.chosen.length + one.rejected.length for one in PAIRS)
    terms.loss.backward()
    by_hand = policy()
    total = sum(logp(by_hand, one.chosen) - logp(by_hand, one.rejected) for one in PAIRS)
    (-BETA / 2 * total).backward()
    grads = dict(by_hand.model.named_parameters())
    for name, parameter in made.model.named_parameters():
        close(parameter.grad, grads[name].grad)


def test_a_step_does_not_depend_on_how_pairs_are_cut() -> None:
    whole, _ = trained(4)
    halves, _ = trained(2, accumulate_grad_batches=2)
    for one, other in zip(whole.parameters(), halves.parameters(), strict=True):
        close(one, other, 1e-4)


def test_training_prefers_the_chosen_ones() -> None:
    _, trainer = trained(4, module={"learning_rate": 1e-2})
    figures = trainer.callback_metrics
    assert float(figures["val/margin"]) > 0 and float(figures["val/accuracy"]) == 1
    assert float(figures["train/margin"]) == pytest.approx(0, abs=1e-5)  # before the step


def test_a_resumed_run_has_the_references_of_its_start(tmp_path: Path) -> None:
    made, trainer = trained(4)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    saved = torch.load(tmp_path / "one.ckpt", weights_only=False)
    fresh = module()
    fresh.load_state_dict(saved["state_dict"])
    fresh.on_load_checkpoint(saved)
    fresh.refer(PAIRS)  # nothing is left to compute
    assert fresh.references == made.references


def test_other_losses_are_named_by_the_configuration() -> None:
    def longest(pairs: Pairs):
        return sigmoid(pairs, beta=1.0)

    made, _ = trained(4, module={"loss": longest})
    assert made.loss is longest
