"""What all modules share: the optimizer they get and the checkpoints they refuse."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch.utils.data import DataLoader

from k15.models.tiny import tiny_policy
from k15.modules.base import (
    PolicyModule,
    check_same_model,
    random_states,
    restore_random_states,
)
from tests.closeness import close


class Sum(PolicyModule):
    """Pushes the first weights of the embedding down."""

    def training_step(self, batch, batch_index):
        return self.model.get_input_embeddings().weight[batch].sum()


class Indices(LightningDataModule):
    def train_dataloader(self) -> DataLoader:
        return DataLoader([0, 1], batch_size=2, collate_fn=torch.tensor)


def module(hidden_size: int = 32, layers: int = 1, **settings) -> Sum:
    torch.manual_seed(0)
    policy = tiny_policy(words=("a", "b"), hidden_size=hidden_size, layers=layers)
    return Sum(policy, **({"learning_rate": 0.1} | settings))


def fit(of: Sum, folder: Path, epochs: int = 1, resume: Path | None = None) -> Path:
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(of, Indices(), ckpt_path=resume, weights_only=False)
    trainer.save_checkpoint(folder / "last.ckpt")
    return folder / "last.ckpt"


def test_the_first_step_is_adamw_s(tmp_path: Path) -> None:
    """With a gradient of 1 the first step is lr/(1 + eps); the decay takes lr x wd x weight."""
    trained, untouched = module(weight_decay=0.5), module()
    fit(trained, tmp_path)
    before = untouched.model.get_input_embeddings().weight
    after = trained.model.get_input_embeddings().weight
    close(after[:2], before[:2] * (1 - 0.05) - 0.1)
    close(after[2:], before[2:] * (1 - 0.05))


def test_frozen_parameters_are_not_handed_to_the_optimizer() -> None:
    of = module()
    everything = len(of.trained_parameters())
    of.model.get_input_embeddings().weight.requires_grad_(False)
    assert len(of.trained_parameters()) == everything - 1
    (group,) = of.configure_optimizers().param_groups
    assert len(group["params"]) == everything - 1 and group["betas"] == (0.9, 0.95)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"hidden_size": 64}, r"model\.embed_tokens\.weight is \[7, 32\] there and \[7, 64\] here"),
        ({"layers": 2}, r"model\.layers\.1\.\S+ is absent there and \[.*\] here"),
    ],
    ids=["another width", "another depth"],
)
def test_a_checkpoint_of_another_model_is_refused_by_parameter(
    other: dict[str, int], message: str, tmp_path: Path
) -> None:
    checkpoint = fit(module(), tmp_path)
    with pytest.raises(ValueError, match=message) as refused:
        fit(module(**other), tmp_path, epochs=2, resume=checkpoint)
    assert "start_from=<run>/model" in str(refused.value)


def test_the_same_model_is_welcome() -> None:
    check_same_model({"a": [2, 3]}, {"a": [2, 3]})
    with pytest.raises(ValueError, match=r"b is \[1\] there and absent here"):
        check_same_model({"a": [2, 3], "b": [1]}, {"a": [2, 3]})


def test_random_numbers_go_on_where_the_checkpoint_was_written(tmp_path: Path) -> None:
    checkpoint = fit(module(), tmp_path)
    expected = torch.rand(3)
    torch.manual_seed(99)
    of = module()
    of.on_load_checkpoint(torch.load(checkpoint, weights_only=False))
    assert torch.equal(torch.rand(3), expected)


def test_random_states_are_those_of_the_gpu_too() -> None:
    """Where there is none, a checkpoint from a machine with one is read all the same."""
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    states = random_states()
    assert states.keys() == {*devices}
    expected = [torch.rand(3, device=device) for device in devices]
    restore_random_states({"cuda": torch.get_rng_state(), **states})
    for device, draw in zip(devices, expected, strict=True):
        assert torch.equal(torch.rand(3, device=device), draw)
