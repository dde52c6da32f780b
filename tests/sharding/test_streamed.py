"""Each of two ranks reads its part of a folder's weights, trains it, and both write one folder."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from k15.config.errors import ConfigError
from k15.datamodules.demonstrations import DemonstrationData
from k15.models.loading import load_policy
from k15.models.sharded import is_sharded
from k15.models.tiny import tiny_policy
from k15.modules.language import LanguageModule
from k15.problems.sources import TaskSource
from k15.sharding.strategy import ShardedStrategy
from k15.tasks.make24 import Make24
from k15.weights.full import full_weights, own_copy, saver
from tests.closeness import close
from tests.two_ranks import on_two, trained

TASK = Make24(levels=(1, 2))


def sft(path: Path, streamed: bool, written: Path | None = None) -> dict[str, Any]:
    """Weights after a few steps; of a policy's own copy, too."""
    policy = load_policy(str(path), streamed=streamed)
    before = sum(p.numel() for p in policy.model.parameters() if not p.is_meta)
    module = LanguageModule(policy, learning_rate=1e-2)
    data = DemonstrationData(
        policy=policy,
        source=TaskSource(TASK, held_out_problems=20),
        tokens=160,
        tokens_per_batch=80,
        held_out_examples=3,
    )
    strategy = {"strategy": ShardedStrategy()} if streamed else {}
    found = {"weights": trained(module, data, **strategy)["weights"], "before": before}
    if written is not None:
        save = saver(policy, keep=torch.distributed.get_rank() == 0)
        if torch.distributed.get_rank() == 0:
            save(written)
        found["mine"] = sum(p.to_local().numel() for p in policy.model.parameters())
        copy = own_copy(policy)
        assert is_sharded(policy.model) and not is_sharded(copy.model)
        found["copy"] = dict(full_weights(copy.model))
    return found


def test_each_rank_reads_trains_and_writes_its_part(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tiny = tiny_policy(words=TASK.words, hidden_size=32, layers=2)
    tiny.save(tmp_path / "start")
    expected = sft(tmp_path / "start", streamed=False)
    ranks = on_two(sft, tmp_path / "start", True, tmp_path / "model")
    written = load_policy(str(tmp_path / "model")).model.state_dict()
    for found in ranks:
        assert found["before"] == 0  # numbers in memory before each rank knows its part
        for name, weight in expected["weights"].items():
            close(found["weights"][name], weight, 1e-4)
            assert torch.equal(found["copy"][name.removeprefix("model.")], found["weights"][name])
            assert torch.equal(written[name.removeprefix("model.")], found["weights"][name])
    assert sum(found["mine"] for found in ranks) == tiny.model.num_parameters()


def test_names_that_are_others_in_the_folder_are_refused_in_one_line(tmp_path: Path) -> None:
    tiny_policy(words=TASK.words, hidden_size=32, layers=1).save(tmp_path)
    file = tmp_path / "model.safetensors"
    renamed = {name.replace("layers", "blocks"): x for name, x in load_file(file).items()}
    save_file(renamed, file)
    with pytest.raises(ConfigError, match=r"has no model\.layers\.0\..*leave it false"):
        load_policy(str(tmp_path), streamed=True)
