"""A run that is resumed in the middle of an epoch ends where an uninterrupted one ends."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, Trainer

from k15.datamodules.demonstrations import DemonstrationData
from k15.models.tiny import tiny_policy
from k15.modules.language import LanguageModule
from k15.problems.sources import TaskSource
from k15.runs.checkpoint_callback import Checkpoints
from k15.runs.checkpoint_io import SealedCheckpoints
from k15.tasks.make24 import Make24

DROPOUT = 0.1
pytestmark = pytest.mark.filterwarnings("ignore:.*your dataloader is not resumable")  # it is


class Killed(Exception):
    pass


class KillAfter(Callback):
    """Ends the run behind a batch."""

    def __init__(self, batches: int | None) -> None:
        self.batches = batches

    def on_train_batch_end(self, trainer, pl_module, *_) -> None:
        if trainer.fit_loop.total_batch_idx + 1 == self.batches:
            raise Killed


def fit(folder: Path, *, kill_after: int | None = None, resume: Path | None = None, **settings):
    """The weights after two epochs of nine batches, with dropout, and the tokens seen."""
    torch.manual_seed(0)
    source = TaskSource(Make24(levels=(1, 2)), held_out_problems=20)
    policy = tiny_policy(words=source.words, hidden_size=32, layers=1, intermediate_size=64)
    for layer in policy.model.model.layers:
        layer.self_attn.attention_dropout = DROPOUT
    module = LanguageModule(policy, learning_rate=1e-2)
    data = DemonstrationData(
        policy=policy, source=source, tokens=2000, tokens_per_batch=256, held_out_examples=4
    )
    trainer = Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        plugins=SealedCheckpoints(),
        callbacks=[Checkpoints(str(folder), every_n_steps=2, keep=99), KillAfter(kill_after)],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **settings,
    )
    trainer.fit(module, data, ckpt_path=resume)
    weights = {name: tensor.clone() for name, tensor in policy.model.state_dict().items()}
    return {**weights, "tokens seen": torch.tensor(module.tokens_seen)}


@pytest.mark.parametrize(
    ("settings", "kill_after"),
    [
        ({}, 5),  # in the first epoch
        ({}, 9),  # at its end: the second one begins with its first batch
        ({}, 14),  # in the second
        ({"limit_train_batches": 5}, 8),  # 5 is the end of an epoch that has 9 batches
        ({"accumulate_grad_batches": 3}, 8),  # a checkpoint holds no gathered gradients
    ],
)
def test_resumed_in_the_middle_of_an_epoch(settings: dict, kill_after: int, tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole", **settings)
    with pytest.raises(Killed):
        fit(tmp_path / "killed", kill_after=kill_after, **settings)
    newest = max((tmp_path / "killed").glob("*.ckpt"))
    resumed = fit(tmp_path / "killed", resume=newest, **settings)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    names = [sorted(file.name for file in (tmp_path / f).iterdir()) for f in ("whole", "killed")]
    assert names[0] == names[1]


def test_weights_do_not_depend_on_how_often_they_are_validated(tmp_path: Path) -> None:
    never = fit(tmp_path / "never", limit_val_batches=0)
    often = fit(tmp_path / "often", val_check_interval=2)
    assert all(torch.equal(never[name], often[name]) for name in never)


def test_validated_in_the_middle_of_an_epoch_and_resumed_there(tmp_path: Path) -> None:
    whole = fit(tmp_path / "whole", val_check_interval=2)
    with pytest.raises(Killed):
        fit(tmp_path / "killed", kill_after=6, val_check_interval=2)
    newest = max((tmp_path / "killed").glob("*.ckpt"))
    resumed = fit(tmp_path / "killed", resume=newest, val_check_interval=2)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
