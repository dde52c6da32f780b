"""The average of the weights is measured, exported and resumed; training goes on without it."""

import json
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, Trainer

from k15.callbacks.average import WeightAverage
from k15.callbacks.export import Export
from k15.config import ConfigError
from k15.models.loading import load_policy
from k15.models.policy import Policy
from k15.models.tiny import tiny_policy
from k15.modules.language import LanguageModule
from k15.types import Example
from tests.closeness import close
from tests.modules.fitting import Batches

BATCHES = [
    [Example(prompt_tokens=(5,), response_tokens=(6 + k, 7, 8 + k))] for k in range(5)
]  # one optimizer step each


def policy() -> Policy:
    torch.manual_seed(0)
    return tiny_policy(words=("a", "b", "c", "d", "e", "f", "g", "h"), hidden_size=32, layers=1)


def weights(of: Policy) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in of.model.named_parameters()}


class History(Callback):
    """Weights after every step, and those that validation sees."""

    def __init__(self, of: Policy) -> None:
        self.policy, self.steps, self.validated = of, [weights(of)], {}

    def on_train_batch_end(self, *_) -> None:
        self.steps.append(weights(self.policy))

    def on_validation_batch_start(self, *_) -> None:
        self.validated = weights(self.policy)


def trained(of: Policy, folder: Path, epochs: int = 1, resume=None, average=True, **settings):
    """A run as train.py puts it together; returns what it went through."""
    history = History(of)
    callbacks = [Export(of, str(folder), "abc"), history]
    if average:
        callbacks.insert(1, WeightAverage(of, str(folder), decay=0.5))
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **settings,
    )
    module = LanguageModule(of, learning_rate=1e-2)
    trainer.fit(module, Batches(BATCHES, BATCHES[:1]), ckpt_path=resume, weights_only=False)
    return history, trainer


def averaged(steps: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """By the formula: d = 2/11, 3/12, 4/13, ... and 1/2 from the eighth step on."""
    average = steps[0]
    for n, step in enumerate(steps[1:], 1):
        d = min(0.5, (1 + n) / (10 + n))
        average = {name: d * average[name] + (1 - d) * step[name] for name in average}
    return average


def test_the_average_is_measured_and_exported_and_training_does_not_see_it(tmp_path: Path) -> None:
    of, plain = policy(), policy()
    history, _ = trained(of, tmp_path, epochs=2)
    alone, _ = trained(plain, tmp_path / "plain", epochs=2, average=False)
    for found, expected in zip(history.steps, alone.steps, strict=True):
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    expected = averaged(history.steps)
    close(history.validated, expected)
    exported = load_policy(str(tmp_path / "model"))
    close(weights(exported), {n: w for n, w in expected.items() if n in weights(exported)})
    mark = json.loads((tmp_path / "model" / "weight_average.json").read_text())
    assert mark == {"decay": 0.5, "optimizer_steps": 10}
    assert not (tmp_path / "plain" / "model" / "weight_average.json").exists()


def test_a_resumed_average_is_the_whole_one(tmp_path: Path) -> None:
    class Save(Callback):
        def on_train_epoch_end(self, trainer, pl_module) -> None:
            trainer.save_checkpoint(tmp_path / f"{trainer.current_epoch}.ckpt")

    whole = policy()
    history = History(whole)
    average = WeightAverage(whole, str(tmp_path), decay=0.5)
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = Trainer(
        max_epochs=2, accelerator="cpu", callbacks=[average, Save(), history],
        enable_model_summary=False, limit_val_batches=0, **quiet,
    )  # fmt: skip
    trainer.fit(LanguageModule(whole, learning_rate=1e-2), Batches(BATCHES))
    close(weights(whole), averaged(history.steps))
    again = policy()
    average = WeightAverage(again, str(tmp_path), decay=0.5)
    trainer = Trainer(
        max_epochs=2, accelerator="cpu", callbacks=[average],
        enable_model_summary=False, limit_val_batches=0, **quiet,
    )  # fmt: skip
    module = LanguageModule(again, learning_rate=1e-2)
    trainer.fit(module, Batches(BATCHES), ckpt_path=tmp_path / "0.ckpt", weights_only=False)
    expected = weights(whole)
    assert all(torch.equal(weight, expected[name]) for name, weight in weights(again).items())


def test_it_adds_up_in_float32(tmp_path: Path) -> None:
    """0.001 of a step's difference is lost in bfloat16."""
    of = policy()
    of.model.bfloat16()
    average = WeightAverage(of, str(tmp_path))
    assert {w.dtype for w in average.weights().values()} == {torch.bfloat16}
    callbacks = [average]
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", callbacks=callbacks, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(LanguageModule(of, learning_rate=1e-2), Batches(BATCHES))
    between = [a for a in average.average.values() if not torch.equal(a, a.bfloat16().float())]
    assert between and {a.dtype for a in between} == {torch.float32}


def test_rl_and_decays_that_cannot_be_are_refused(run, make_policy, tmp_path: Path) -> None:
    of = make_policy()
    with pytest.raises(ConfigError, match=r"callbacks\.average: RL samples from what it trains"):
        run(WeightAverage(of, str(tmp_path)), policy=of).fit()
    with pytest.raises(ConfigError, match=r"callbacks\.average\.decay=1: must be between"):
        WeightAverage(of, str(tmp_path), decay=1)
