"""An override of a copy is refused in one line that names the true address."""

import pytest

from k15.config import ConfigError, load

LOG_PARTITION = "objective=mirror_descent_log_partition"


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (["module.loss.tau=1.0"], "objective.loss.tau"),
        (["datamodule.plan.sizes.samples_per_problem=4"], "sizes.samples_per_problem"),
        (["module.seed=3"], "seed"),
        (["datamodule.plan.seed=3"], "seed"),
        (["datamodule.engine.slots=3"], "engine.slots"),
        (["module.temperature=0.5"], "datamodule.plan.temperature"),
        (["module.learning_rate=0.5"], "learning_rates.rl"),
        (["stage=sft", "module.learning_rate=0.5"], "learning_rates.sft"),
        (["datamodule.plan.max_response_tokens=9"], "data.max_response_tokens"),
        (["rewards.answer.task.levels=[1]"], "task.levels"),
        (["rewards=code", "rewards.answer.sandbox.folders=[]"], "sandbox.folders"),
        (["trainer.default_root_dir=here"], "run_dir"),
        ([LOG_PARTITION, "objective.advantage.tau=1"], "objective.loss.tau"),
        ([LOG_PARTITION, "module.advantage.tau=1"], "objective.loss.tau"),
        (["module.policy={_target_: my.Policy}"], "model"),
    ],
)
def test_the_true_address_is_named(given: list[str], address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load("train", ["stage=rl", *given])
    key = given[-1].partition("=")[0]
    expected = f"this is {address}, and is changed there alone: {address}=..."
    (line,) = str(caught.value).splitlines()
    assert line.startswith(key) and line.endswith(expected)


def test_a_mapping_given_whole_changes_no_copy() -> None:
    """But it may say what was said, as `--cfg` prints it."""
    node = "module={_target_: k15.modules.rl.RLModule, learning_rate: "
    with pytest.raises(ConfigError, match=r"^module\.learning_rate: this is learning_rates\.rl"):
        load("train", ["stage=rl", node + "0.5}"])
    load("train", ["stage=rl", node + "'${learning_rates.rl}'}"])


def test_what_is_no_copy_may_be_changed() -> None:
    """A setting at the root, a longer text, and what a stage has itself."""
    config = load("train", ["stage=sft", "start_from=null", "callbacks.checkpoint.folder=here"])
    assert (config.start_from, config.callbacks.checkpoint.folder) == (None, "here")
    config = load(
        "train", ["stage=reward_model", "module.loss._target_=k15.losses.reward.pairwise"]
    )
    assert config.module.loss._target_ == "k15.losses.reward.pairwise"
