"""A checkpoint of spread weights is gone on with by as many ranks, by others, and the other way."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from k15.datamodules.demonstrations import DemonstrationData
from k15.models.tiny import tiny_policy
from k15.modules.language import LanguageModule
from k15.problems.sources import TaskSource
from k15.runs.checkpoint_callback import Checkpoints
from k15.runs.checkpoint_io import SealedCheckpoints
from k15.sharding.strategy import ShardedStrategy
from k15.tasks.make24 import Make24
from tests.closeness import close
from tests.two_ranks import on_two, trained

TASK = Make24(levels=(1, 2))
FIRST = "epoch=00000.ckpt"


def sft(folder: Path, of: Path | None = None, **settings: Any) -> dict[str, Tensor]:
    """The weights after two epochs, the first of them that of another run, if it is given."""
    torch.manual_seed(0)
    policy = tiny_policy(words=TASK.words, hidden_size=64, layers=1)
    module = LanguageModule(policy, learning_rate=1e-2)
    data = DemonstrationData(
        policy=policy,
        source=TaskSource(TASK, held_out_problems=20),
        tokens=160,
        tokens_per_batch=80,
        held_out_examples=3,
    )
    saving = Checkpoints(str(folder))
    fit = {"ckpt_path": None if of is None else of / FIRST}
    settings |= {"enable_checkpointing": True, "plugins": SealedCheckpoints(), "max_epochs": 2}
    return trained(module, data, fit, saving, **settings)["weights"]


def on_both(folder: Path) -> dict[str, dict[str, Tensor]]:
    """By the way the second epoch is trained, and the first one."""

    def fsdp2(
        name: str, of: str | None = None, parts: bool = True, cut: int = 1
    ) -> dict[str, Tensor]:
        origin = None if of is None else folder / of
        strategy = ShardedStrategy(tensor_parallel_size=cut, save_distributed_checkpoint=parts)
        return sft(folder / name, origin, strategy=strategy)

    return {
        "spread": fsdp2("spread"),
        "gathered": fsdp2("gathered", parts=False),
        "whole": sft(folder / "whole"),
        "gathered, then spread": fsdp2("f", "gathered"),
        "spread, then spread": fsdp2("a", "spread"),
        "spread, then whole": sft(folder / "b", folder / "spread"),
        "whole, then spread": fsdp2("c", "whole"),
        "one, then spread": fsdp2("d", "one"),
        "cut": fsdp2("cut", cut=2),
        "cut, gathered": fsdp2("g", cut=2, parts=False),
        "cut, then cut": fsdp2("h", "cut", cut=2),
        "cut, then spread": fsdp2("i", "cut"),
        "cut, then whole": sft(folder / "j", folder / "cut"),
        "spread, then cut": fsdp2("k", "spread", cut=2),
        "one, then cut": fsdp2("l", "one", cut=2),
    }


def test_two_ranks_or_one_go_on_with_what_the_others_saved(tmp_path: Path) -> None:
    expected = sft(tmp_path / "one")
    first, second = on_two(on_both, tmp_path)
    first["spread, then one"] = sft(tmp_path / "e", tmp_path / "spread")
    first["cut, then one"] = sft(tmp_path / "m", tmp_path / "cut")
    assert (tmp_path / "spread" / FIRST).is_dir() and (tmp_path / "gathered" / FIRST).is_file()
    for name, weight in expected.items():
        for how in ("spread, then spread", "gathered", "gathered, then spread"):
            assert torch.equal(first[how][name], first["spread"][name])
        assert torch.equal(first["cut, then cut"][name], first["cut"][name])
        for how, found in first.items():  # of rounding Adam makes steps, too
            close(found[name], weight, 1e-3 if "cut" in how else 1e-4)
        for how, found in second.items():
            assert torch.equal(found[name], first[how][name])
