import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel

from k15.rewards.base import RewardCallback


class Exclaims(RewardCallback):
    def score(self, group):
        return [float(rollout.text.endswith("!")) for rollout in group.rollouts]


class OwnInit(Exclaims):
    """Forgets `super().__init__()`."""

    def __init__(self, mark):
        self.mark = mark


class Recorder(Exclaims):
    """Keeps what a reward can see of the Trainer at the start of each epoch."""

    def __init__(self):
        super().__init__()
        self.iterations = []

    def on_train_epoch_start(self, trainer, pl_module):
        self.iterations.append(self.iteration)


def test_a_reward_of_three_lines_is_complete(make_group):
    reward = Exclaims()
    group = make_group(["4!", "4"])
    assert reward.score(group) == [1.0, 0.0]
    assert (reward.weight, reward.domains, reward.outcome) == (1.0, None, False)
    assert reward.applies_to(group.problem)
    assert reward.check(group.problem) is None


def test_an_own_init_without_super_leaves_the_defaults(make_group):
    reward = OwnInit("!")
    assert reward.weight == 1.0
    assert reward.applies_to(make_group(["4"], domain="code").problem)
    assert reward.iteration is None


def test_domains_decide_where_a_reward_applies(make_group):
    reward = Exclaims(domains=["math", "vision"])
    domains = ["math", "vision", "code"]
    assert [reward.applies_to(make_group(["4"], domain=d).problem) for d in domains] == [
        True,
        True,
        False,
    ]


def test_a_reward_without_score_cannot_be_made():
    with pytest.raises(TypeError, match="score"):
        RewardCallback()


def test_a_domain_that_is_no_list_and_a_weight_that_is_no_number_are_refused():
    with pytest.raises(ValueError, match=r"domains='math' must be a list"):
        Exclaims(domains="math")
    with pytest.raises(ValueError, match="weight=nan"):
        Exclaims(weight=float("nan"))


def test_iteration_is_the_epoch_of_the_trainer_and_none_outside(tmp_path):
    reward = Recorder()
    trainer = Trainer(
        accelerator="cpu",
        max_epochs=3,
        limit_train_batches=1,
        limit_val_batches=0,
        callbacks=[reward],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    assert reward.iteration is None
    trainer.fit(BoringModel())
    assert reward.iterations == [0, 1, 2]
    assert reward.iteration is None
