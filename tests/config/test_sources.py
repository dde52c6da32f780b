"""What is read from files is what Python tells after an import."""

import re

import pytest

from k15.config import ROOT, ConfigError
from k15.config.sources import read
from k15.config.targets import import_target, parameters_of

IN_CONFIGS = {
    target
    for file in ROOT.rglob("*.yaml")
    for target in re.findall(r"_target_: ([\w.]+)", file.read_text())
}
OFTEN_GIVEN = {
    "lightning.Trainer",
    "lightning.pytorch.callbacks.EarlyStopping",
    "lightning.pytorch.callbacks.LearningRateMonitor",
    "lightning.pytorch.callbacks.ModelCheckpoint",
    "lightning.pytorch.strategies.FSDPStrategy",
    "lightning.pytorch.strategies.ModelParallelStrategy",
    "k15.tasks.programs.Programs",
}


@pytest.mark.parametrize("target", sorted(IN_CONFIGS | OFTEN_GIVEN))
def test_source_and_import_agree(target):
    assert read(target).keys() == parameters_of(import_target(target)).keys()


@pytest.mark.parametrize(
    "target",
    [
        "my_project.Brief",
        "torch.optim.AdamW",
        "k15.models.policy",
        "k15.models.policy.Policy.save",
        "k15.folders.Path",
        "transformers.AutoModel.from_pretrained",
    ],
)
def test_the_rest_is_for_an_import_to_tell(target):
    assert read(target) is None


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            "k15.losses.policy_gradient.gpro",
            "k15.losses.policy_gradient has no gpro; did you mean k15.losses.policy_gradient.grpo?",
        ),
        (
            "k15.datamodules.sampler.Uniform",
            "k15.datamodules has no sampler; did you mean k15.datamodules.samplers?",
        ),
        ("lightning.Trainr", "lightning has no Trainr; did you mean lightning.Trainer?"),
    ],
)
def test_an_unknown_name_has_a_nearest(target, message):
    with pytest.raises(ConfigError) as caught:
        read(target)
    assert str(caught.value) == message


def test_annotations_are_as_written():
    assert read("k15.sandbox.protocol.Limits")["memory_mib"] == "int"
    assert read("lightning.Trainer")["devices"] == "Union[list[int], str, int]"
