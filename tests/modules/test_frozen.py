"""A run with LoRA keeps its adapter alone, and goes on from it bit by bit."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch import Trainer

from k15.models.lora import Lora
from k15.modules.frozen import sum_of
from k15.modules.language import LanguageModule
from tests.models.architectures import build, examples_for
from tests.modules.fitting import Batches


def module(rank: int = 4) -> LanguageModule:
    """Dropout draws random numbers, which go on, too."""
    policy = build("qwen3")
    Lora(rank=rank, dropout=0.1).put_into(policy.model)
    return LanguageModule(policy, learning_rate=1e-2)


def fit(of: LanguageModule, folder: Path, epochs: int, resume: Path | None = None) -> Path:
    data = Batches([examples_for("qwen3")[:3]] * 3)
    torch.manual_seed(2 if resume else 1)
    trainer = Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    of.configure_optimizers = lambda: torch.optim.AdamW(of.trained_parameters(), lr=1e-2)
    trainer.fit(of, data, ckpt_path=resume, weights_only=False)
    trainer.save_checkpoint(folder / "last.ckpt")
    return folder / "last.ckpt"


def test_only_the_adapter_is_kept_and_the_resumed_run_is_the_whole_one(tmp_path: Path) -> None:
    whole, first, second = module(), module(), module()
    base = {name: weight.clone() for name, weight in whole.model.state_dict().items()}
    fit(whole, tmp_path, epochs=2)
    checkpoint = fit(first, tmp_path, epochs=1)
    kept = torch.load(checkpoint, weights_only=False)["state_dict"]
    assert kept and all(".lora_" in name for name in kept)
    fit(second, tmp_path, epochs=2, resume=checkpoint)
    expected, found = whole.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    moved = {name for name in base if not torch.equal(base[name], expected[name])}
    assert moved == {name for name in base if ".lora_" in name}


def test_a_part_of_the_adapter_that_is_frozen_is_kept_with_it(tmp_path: Path) -> None:
    """It is no weight of the base, from which it could be put back."""
    of = module()
    for name, parameter in of.model.named_parameters():
        parameter.requires_grad_(parameter.requires_grad and "layers.0" not in name)
    adapter = {name for name in of.model.state_dict() if ".lora_" in name}
    kept = torch.load(fit(of, tmp_path, epochs=1), weights_only=False)["state_dict"]
    assert {name.removeprefix("model.") for name in kept} == adapter
    assert any("layers.0" in name for name in kept)


def test_a_checkpoint_of_another_rank_or_of_another_base_is_refused_by_name(
    tmp_path: Path,
) -> None:
    checkpoint = fit(module(), tmp_path, epochs=1)
    said = r"^resume: .*lora_A\.default\.weight is \[4, \d+\] there and \[8, \d+\] here; .*$"
    with pytest.raises(ValueError, match=said):
        fit(module(rank=8), tmp_path, epochs=2, resume=checkpoint)
    other = module()
    with torch.no_grad():
        other.model.model.norm.weight[3] += 1e-3
    said = r"^resume: model\.model\.norm\.weight, which is frozen, is not the weight .*model\.path"
    with pytest.raises(ValueError, match=said):
        fit(other, tmp_path, epochs=2, resume=checkpoint)


def test_the_sum_is_of_bit_patterns() -> None:
    """1.0 is 0x3F800000, or 0x3F80; -0.0 is the smallest integer."""
    one, half = torch.tensor([1.0, 0.0, 1.0]), torch.tensor([1.0, -0.0], dtype=torch.bfloat16)
    assert sum_of(one) == ("torch.float32", 2 * 0x3F800000)
    assert sum_of(half) == ("torch.bfloat16", 0x3F80 - 0x8000)
    assert sum_of(torch.eye(2).T[:, :1]) == ("torch.float32", 0x3F800000)
