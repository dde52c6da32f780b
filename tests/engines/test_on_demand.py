"""The life of an engine in real runs of train.py and evaluate.py."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

import evaluate
import train
from k15.config import ConfigError
from k15.engines.on_demand import OnDemandEngine
from k15.engines.protocol import Request, Sampling
from k15.engines.scripted import ScriptedEngine
from k15.engines.sync import sync
from k15.engines.transformers import TransformersEngine
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24

SMALL = ["debug=tiny", "model.hidden_size=32", "model.layers=1", "logger=null", "fingerprint=test"]
RL = ["stage=rl", *SMALL, "data.train_problems=8", "data.held_out_problems=2"]
RL += ["sizes.problems_per_iteration=2", "sizes.minibatches_per_iteration=1"]
RL += ["sizes.samples_per_problem=2", "data.max_response_tokens=8"]
MEASURED = ["benchmark=task", "benchmark.limit=2", "callbacks.benchmarks.every_n_epochs=2"]


@pytest.fixture
def calls(tmp_path: Path) -> Callable[[], list[str]]:
    """What the engine `engine.yaml` was asked, in order."""
    node = f"_target_: tests.engines.telling.Telling\nfile: {tmp_path}/calls\nfail_at: null\n"
    (tmp_path / "engine.yaml").write_text(f"# Tells what it is asked.\n{node}")
    return lambda: (tmp_path / "calls").read_text().splitlines()


def test_nobody_makes_an_engine_that_nobody_asks() -> None:
    made = []
    engine = OnDemandEngine(lambda: made.append(ScriptedEngine({(1,): [(2,)]})) or made[0])
    engine.sleep()
    engine.close()
    assert (made, engine.version) == ([], None)
    engine.load_weights([], 4)
    (completion,) = engine.generate([Request(tokens=(1,), max_new_tokens=1)], Sampling())
    assert (len(made), engine.version, completion.version) == (1, 4, 4)
    with pytest.raises(ConfigError, match=r"engine=null: .* such as engine=transformers"):
        OnDemandEngine(lambda: None).wake()


def test_in_rl_it_has_the_weights_of_every_iteration_and_sleeps_in_between(
    tmp_path: Path, calls: Callable[[], list[str]]
) -> None:
    """Weights are sent once per version; the benchmark behind the second iteration gets the same
    engine, and so does the validation at the end.
    """
    own = [f"engine={tmp_path}/engine.yaml", f"run_dir={tmp_path}/run"]
    train.main([*RL, *MEASURED, "trainer.check_val_every_n_epoch=2", *own])
    start = ["made", "wake", "load 0", "generate 0"]  # held-out problems before training
    first = ["wake", "generate 0", "sleep"]
    second = ["wake", "load 1", "generate 1", "sleep"]
    measured = ["wake", "load 2", "generate 2", "wake", "generate 2", "sleep"]
    assert calls() == [*start, *first, *second, *measured, "wake", "generate 2", "close"]


def test_it_is_closed_when_the_run_breaks(tmp_path: Path, calls: Callable[[], list[str]]) -> None:
    own = [f"engine={tmp_path}/engine.yaml", f"run_dir={tmp_path}/run", "engine.fail_at=2"]
    with pytest.raises(RuntimeError, match="the engine broke"):
        train.main([*RL, *own])
    assert calls() == ["made", "wake", "load 0", "generate 0", "wake", "generate 0", "close"]


def test_other_stages_have_one_for_what_they_measure_alone(
    tmp_path: Path, calls: Callable[[], list[str]]
) -> None:
    """Two batches in each of two epochs."""
    own = [f"engine={tmp_path}/engine.yaml", f"run_dir={tmp_path}"]
    sft = ["stage=sft", *SMALL, "datamodule.tokens=2000"]
    train.main([*sft, f"run_dir={tmp_path}/without", own[0]])
    assert not (tmp_path / "calls").exists()
    train.main([*sft, *MEASURED, *own])
    assert calls() == ["made", "wake", "load 4", "generate 4", "sleep", "close"]


@pytest.mark.parametrize("fail_at", [None, 1])
def test_a_measurement_closes_it_too(
    fail_at: int | None, tmp_path: Path, calls: Callable[[], list[str]]
) -> None:
    tiny_policy(words=Make24().words, hidden_size=32, layers=1).save(tmp_path / "model")
    words = [f"model.path={tmp_path}/model", f"engine={tmp_path}/engine.yaml"]
    words += ["benchmark.limit=2", f"engine.fail_at={fail_at or 'null'}", f"run_dir={tmp_path}/run"]
    with pytest.raises(RuntimeError, match="broke") if fail_at else nullcontext():
        evaluate.main(words)
    assert calls() == ["made", "generate None", "close"]


def test_an_engine_that_validation_asks_for_first_can_take_weights_later() -> None:
    """The Trainer validates in inference mode; tensors that are made in it stay as they are."""
    policy = tiny_policy(words=Make24().words, hidden_size=32, layers=1)
    engine = OnDemandEngine(lambda: TransformersEngine(policy, copy=True))
    for version, mode in enumerate((torch.inference_mode(), nullcontext())):
        with mode:
            sync(engine, policy.model, version)
    assert engine.version == 1
