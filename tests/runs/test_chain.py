"""Stages find the weights they start from by fingerprint, or say what is missing."""

from itertools import pairwise
from pathlib import Path

import pytest

from k15 import runs
from k15.config import ConfigError, load
from k15.runs import chain


def finish(folder: Path, stage: str, name: str, argv: list[str]) -> Path:
    """A finished run, as `Export` leaves it."""
    run = folder / "outputs" / stage / name
    (run / "model").mkdir(parents=True)
    (run / "fingerprint").write_text(runs.weights_fingerprint(argv))
    return run / "model"


def names(configs) -> list[str]:
    return [runs.stage(config) for config in configs]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_missing_stages_come_first() -> None:
    pretrain, sft, rl = runs.stages_to_run(["stage=rl"])
    assert names([pretrain, sft, rl]) == ["pretrain", "sft", "rl"]
    assert pretrain.model.path is None
    assert sft.model.path == f"{pretrain.run_dir}/model"
    assert rl.model.path == f"{sft.run_dir}/model"


def test_pictures_have_a_longer_chain_that_begins_on_text() -> None:
    stages = runs.stages_to_run(["stage=rl", "task.modality=image"])
    assert names(stages) == ["pretrain", "align", "vision", "joint", "sft", "rl"]
    assert [config.task.modality for config in stages] == ["text", *["image"] * 5]


@pytest.mark.parametrize("last", ["rl", "sft"])
def test_the_recipe_goes_through_the_stages_of_the_report(last: str) -> None:
    """Whichever of its stages is asked for."""
    before = ["pretrain_text", "pretrain_vision", "pretrain_joint", "cooldown", "long_context"]
    stages = runs.stages_to_run([f"stage={last}", "experiment=recipe"])
    assert [run.choices.stage for run in stages] == [*before, *(["sft"] * (last == "rl")), last]


def test_weights_are_found_by_what_they_depend_on(tmp_path: Path) -> None:
    model = finish(tmp_path, "sft", "one", ["stage=sft"])
    (rl,) = runs.stages_to_run(["stage=rl", "objective=grpo", "trainer.max_epochs=3"])
    assert Path(rl.model.path).resolve() == model.resolve()
    for other in (
        "seed=2",
        "model.hidden_size=128",
        "task.levels=[1]",
        "data.max_response_tokens=9",
    ):
        assert names(runs.stages_to_run(["stage=rl", other])) == ["pretrain", "sft", "rl"], other


def test_a_stage_that_was_trained_otherwise_is_not_taken(tmp_path: Path) -> None:
    finish(tmp_path, "sft", "one", ["stage=sft", "datamodule.tokens=50000"])
    assert names(runs.stages_to_run(["stage=rl"])) == ["pretrain", "sft", "rl"]


@pytest.mark.parametrize(
    "word",
    [
        "trainer.limit_train_batches=1",
        "trainer.precision=bf16-mixed",
        "callbacks.x={_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: x}",
    ],
)
def test_weights_trained_by_another_trainer_are_not_taken(word: str, tmp_path: Path) -> None:
    finish(tmp_path, "sft", "one", ["stage=sft", word])
    assert names(runs.stages_to_run(["stage=rl"])) == ["pretrain", "sft", "rl"]


def test_weights_are_found_whoever_looked_on(tmp_path: Path) -> None:
    finish(tmp_path, "sft", "one", ["stage=sft", "logger=csv", "trainer.profiler=simple"])
    assert names(runs.stages_to_run(["stage=rl"])) == ["rl"]


def test_weights_of_other_data_are_not_taken(tmp_path: Path) -> None:
    """The path is the same, and so are the ids."""
    file = tmp_path / "sums.jsonl"
    file.write_text('{"id": "a", "problem": "1+1", "answer": 2}\n')
    argv = ["data=math", f"data.path={file}"]
    finish(tmp_path, "sft", "one", ["stage=sft", *argv])
    assert names(runs.stages_to_run(["stage=rl", *argv])) == ["rl"]
    file.write_text('{"id": "a", "problem": "1+1", "answer": 3}\n')
    assert names(runs.stages_to_run(["stage=rl", *argv])) == ["pretrain", "sft", "rl"]


def test_an_unfinished_stage_is_not_taken(tmp_path: Path) -> None:
    model = finish(tmp_path, "sft", "one", ["stage=sft"])
    model.rmdir()
    assert len(runs.stages_to_run(["stage=rl"])) == 3


def test_a_folder_can_be_given(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (rl,) = runs.stages_to_run(["stage=rl", "start_from=mine"])
    assert rl.model.path == "mine"
    with pytest.raises(ConfigError, match="neither a stage nor a folder"):
        runs.stages_to_run(["stage=rl", "start_from=absent"])


def test_a_real_model_is_told_which_command_to_run() -> None:
    with pytest.raises(ConfigError, match=r"python train\.py stage=sft model=hf model\.path=x/y"):
        runs.stages_to_run(["stage=rl", "model=hf", "model.path=x/y"])
    (rl,) = runs.stages_to_run(["stage=rl", "model=hf", "model.path=x/y", "start_from=null"])
    assert rl.model.path == "x/y"


def test_a_real_model_trains_what_is_missing_where_that_is_said() -> None:
    argv = ["stage=rl", "model=hf", "model.path=x/y", "train_missing=true"]
    sft, rl = runs.stages_to_run([*argv, "start_with=[start_from=null]"])
    assert names([sft, rl]) == ["sft", "rl"]
    assert sft.model.path == "x/y" and rl.model.path == f"{sft.run_dir}/model"
    pretrain, *_ = runs.stages_to_run(argv)
    assert names([pretrain]) == ["pretrain"] and pretrain.model.path == "x/y"


def test_model_data_and_task_of_an_experiment_are_those_of_its_whole_chain() -> None:
    """What the command line says of them goes before; what is RL's alone stays there."""
    sft, rl = runs.stages_to_run(["stage=rl", "experiment=smollm2", "task.levels=[3]"])
    assert names([sft, rl]) == ["sft", "rl"]
    assert sft.model.path == "models/smollm2" and rl.model.path == f"{sft.run_dir}/model"
    assert sft.task == rl.task and list(rl.task.levels) == [3]
    assert (sft.data, sft.learning_rates) == (rl.data, rl.learning_rates)
    assert "sizes" not in sft and sft.trainer.max_epochs == 1


def test_experiments_in_a_row_hand_on_rates_by_part() -> None:
    vision, joint, sft = runs.stages_to_run(["stage=sft", "experiment=eyes", "seed=2"])
    assert [run.choices.experiment for run in (vision, joint, sft)] == [
        "eyes_vision",
        "eyes_joint",
        "eyes",
    ]
    assert {run.seed for run in (vision, joint, sft)} == {2}
    assert [run.model.path for run in (vision, joint, sft)] == [
        "models/smollm2",
        f"{vision.run_dir}/model",
        f"{joint.run_dir}/model",
    ]
    rates = {"weights": None, "adapter": None, "vision": 1e-3, "projector": 1e-3, "language": 1e-4}
    assert joint.module.learning_rate == vision.learning_rates.pretrain_joint == rates


def test_weights_do_not_depend_on_learning_rates_of_other_stages(tmp_path: Path) -> None:
    model = finish(tmp_path, "sft", "one", ["stage=sft"])
    (rl,) = runs.stages_to_run(["stage=rl", "learning_rates.rl=1e-5"])
    assert Path(rl.model.path).resolve() == model.resolve()
    stages = runs.stages_to_run(["stage=rl", "learning_rates.sft=1e-5"])
    assert names(stages) == ["pretrain", "sft", "rl"]


def test_runs_get_folders_of_their_own() -> None:
    one, two = (runs.stages_to_run(["stage=rl", "start_from=null"])[0] for _ in range(2))
    assert one.run_dir != two.run_dir
    assert Path(one.run_dir).is_dir() and Path(two.run_dir).is_dir()


def test_resuming_needs_a_checkpoint() -> None:
    with pytest.raises(ConfigError, match="no checkpoint found"):
        runs.stages_to_run(["stage=rl", "resume=last"])


@pytest.mark.parametrize(
    ("word", "fault"),
    [
        ("sizes.minibatches_per_iteration=5", r"minibatches_per_iteration=5 does not|=64 does not"),
        ("datamodule.plan.segment_tokens=0", r"segment_tokens=0: must be at least 1"),
        ("datamodule.plan.temperature=-1", r"temperature=-1"),
        ("objective.loss.tau=-1", r"tau=-1: choose 0 or more"),
        ("datamodule.plan.temperature=0", "temperature=0: greedy"),
        ("learning_rates.rl={vision: 1, language: 0, text: 1}", "learning_rates.rl=.* nothing els"),
    ],
)
def test_parts_are_checked_before_any_stage_trains(word: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        runs.stages_to_run(["stage=rl", word])


def test_a_rate_that_a_file_gives_the_module_is_checked_as_early() -> None:
    config = load("train", ["stage=rl"])
    config.module.learning_rate = {"vision": 1e-3, "projector": 1e-3}
    with pytest.raises(ConfigError, match=r"module\.learning_rate=.*: give one for each of"):
        chain.check_parts(config)


def test_a_task_that_another_choice_brings_along_is_trained_from_the_start() -> None:
    """`rewards=code` chooses the task; rewards themselves are of RL alone."""
    stages = runs.stages_to_run(["stage=rl", "rewards=code", "task.levels=[1]"])
    assert names(stages) == ["pretrain", "sft", "rl"]
    assert {config.choices.task for config in stages} == {"programs"}
    assert [config.task.levels for config in stages] == [[1]] * 3
    assert [config.choices.rewards for config in stages] == [None, None, "code"]
    (rl,) = stages[2:]
    assert rl.fingerprint == runs.weights_fingerprint(
        ["stage=rl", "rewards=code", "task.levels=[1]"]
    )


def test_a_choice_on_the_command_line_wins_over_one_brought_along() -> None:
    stages = runs.stages_to_run(["stage=rl", "rewards=code", "task=make24"])
    assert {config.choices.task for config in stages} == {"make24"}


def test_weights_of_the_task_are_found_whoever_chose_it(tmp_path: Path) -> None:
    model = finish(tmp_path, "sft", "one", ["stage=sft", "task=programs"])
    (rl,) = runs.stages_to_run(["stage=rl", "rewards=code"])
    assert Path(rl.model.path).resolve() == model.resolve()


def test_a_reward_model_is_trained_first_or_found(tmp_path: Path) -> None:
    """On the task and the seed of the run, whatever its own model or data."""
    argv = ["stage=rl", "start_from=null", "rewards=reward_model", "task.levels=[1]"]
    judge, rl = runs.stages_to_run([*argv, "model.hidden_size=32"])
    assert names([judge, rl]) == ["reward_model", "rl"]
    assert (list(judge.task.levels), judge.model.hidden_size) == ([1], 64)
    assert rl.rewards.answer.path == f"{judge.run_dir}/model"
    model = finish(tmp_path, "reward_model", "one", ["stage=reward_model", "task.levels=[1]"])
    (rl,) = runs.stages_to_run(argv)
    assert Path(rl.rewards.answer.path).resolve() == model.resolve()
    (rl,) = runs.stages_to_run([*argv, "rewards.answer.path=mine"])
    assert rl.rewards.answer.path == "mine"
    assert len(runs.stages_to_run([*argv, "seed=2"])) == 2


def test_a_reward_model_of_records_has_to_be_given() -> None:
    argv = ["stage=rl", "start_from=null", "data=math", "rewards=cot_reward_model"]
    with pytest.raises(ConfigError, match=r"train\.py stage=cot_reward_model data=judgements"):
        runs.stages_to_run(argv)


def test_an_average_needs_two_stages_and_trains_neither_twice(tmp_path: Path) -> None:
    stages = runs.stages_to_run(["stage=long2short_merge"])
    assert names(stages) == ["pretrain", "sft", "rl", "long2short_merge"]
    _, sft, rl, merge = stages
    assert merge.model.path == f"{rl.run_dir}/model"
    assert merge.trainer.short == f"{sft.run_dir}/model"
    model = finish(tmp_path, "sft", "one", ["stage=sft"])
    rl, merge = runs.stages_to_run(["stage=long2short_merge"])
    assert Path(merge.trainer.short).resolve() == model.resolve()
    assert merge.fingerprint != runs.weights_fingerprint(
        ["stage=long2short_merge", "average_with=pretrain"]
    )


def test_long2short_and_rl_in_turn() -> None:
    """The recipe names four phases; each starts from the one before, RL's from its best balance."""
    argv = ["stage=long2short_rl", "experiment=iterated_long2short"]
    stages = runs.stages_to_run(argv)
    phases = ["rl", "long2short_rl", "rl", "long2short_rl"]
    assert names(stages) == ["pretrain", "sft", *phases]
    folders = {"rl": "balance/best"}
    for before, config in pairwise(stages[1:]):
        folder = folders.get(runs.stage(before), "model")
        assert config.model.path == f"{before.run_dir}/{folder}"
    assert len({config.fingerprint for config in stages}) == 6
    assert stages[2].datamodule.plan.max_response_tokens == 128
    assert stages[3].datamodule.plan.max_response_tokens == 64
