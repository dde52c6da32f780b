import functools
from fractions import Fraction

import pytest
from omegaconf import OmegaConf

from k15.config import ConfigError, build, load
from k15.config.nodes import faults

TARGETS = """
    class Trainer:
        def __init__(self, policy, steps=1, *, source=None, **kwargs):
            self.policy, self.steps, self.source, self.kwargs = policy, steps, source, kwargs

    def fail(text):
        raise KeyError(text)
    """


@pytest.fixture(autouse=True)
def targets(write, monkeypatch):
    """A package with targets that is on the path."""
    monkeypatch.syspath_prepend(
        write({"node_targets.py": TARGETS, "node_broken.py": "import nope"})
    )


def test_a_node_is_called_with_its_keys_built():
    half = {"_target_": "fractions.Fraction", "numerator": 1, "denominator": 2}
    sixth = {"_target_": "fractions.Fraction", "numerator": half, "denominator": "${three}"}
    config = OmegaConf.create({"sixth": sixth, "three": 3})
    assert build(config.sixth) == Fraction(1, 6)


def test_mappings_lists_and_scalars_are_built_value_by_value():
    one = {"_target_": "fractions.Fraction", "numerator": 1}
    node = {"things": {"a": one, "b": None}, "list": [one, "x", 2.5]}
    assert build(OmegaConf.create(node)) == {
        "things": {"a": Fraction(1), "b": None},
        "list": [Fraction(1), "x", 2.5],
    }
    assert build(None) is None


def test_a_partial_waits_for_the_rest():
    node = {"_target_": "fractions.Fraction", "_partial_": True, "denominator": 4}
    partial = build(OmegaConf.create(node))
    assert isinstance(partial, functools.partial)
    assert partial(3) == Fraction(3, 4)


def test_context_goes_to_every_target_that_has_the_parameter():
    policy, source = object(), object()
    node = {
        "_target_": "node_targets.Trainer",
        "steps": {"_target_": "node_targets.Trainer", "source": None},
    }
    trainer = build(OmegaConf.create(node), policy=policy, source=source)
    assert trainer.policy is policy
    assert trainer.source is source
    assert trainer.steps.policy is policy
    assert trainer.steps.source is None  # the YAML sets it


def test_context_does_not_enter_through_double_star():
    trainer = build({"_target_": "node_targets.Trainer", "extra": 1}, policy=1, other=2)
    assert trainer.kwargs == {"extra": 1}


def test_an_argument_that_nobody_gave_is_named_before_anything_is_built():
    inner = {"_target_": "node_targets.fail", "text": "built"}
    node = {"outer": {"_target_": "node_targets.Trainer", "steps": inner}}
    with pytest.raises(ConfigError) as caught:
        build(node, source=1, rewards=2)
    assert str(caught.value) == (
        "outer (node_targets.Trainer): nobody gave policy: set it in the YAML "
        "(objects that code hands on: source, rewards)"
    )


def test_an_error_of_the_target_passes_with_a_note():
    with pytest.raises(KeyError, match="text") as caught:
        build({"a": {"b": {"_target_": "node_targets.fail", "text": "text"}}})
    assert caught.value.__notes__ == ["while building a.b (node_targets.fail)"]


def test_what_k15_refuses_is_the_users_to_change():
    with pytest.raises(ConfigError) as caught:
        build({"a": {"_target_": "k15.sizes.Sizes", "samples_per_problem": 0}})
    assert str(caught.value) == (
        "sizes.samples_per_problem=0: must be at least 1\nwhile building a (k15.sizes.Sizes)"
    )


def test_a_value_error_of_others_keeps_its_traceback():
    with pytest.raises(ValueError, match="Invalid literal") as caught:
        build({"_target_": "fractions.Fraction", "numerator": "no number"})
    assert not isinstance(caught.value, ConfigError)
    assert caught.value.__notes__ == ["while building fractions.Fraction"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("node_targets.Trainr", "no Trainr in node_targets; did you mean Trainer?"),
        ("node_missing.Trainer", "no module node_missing"),
    ],
)
def test_a_target_that_is_not_there_is_named(target, message):
    with pytest.raises(ConfigError) as caught:
        build({"_target_": target})
    assert str(caught.value) == f"{target}: {message}"


def test_a_module_that_the_targets_module_lacks_is_no_fault_of_the_config():
    with pytest.raises(ModuleNotFoundError, match="nope") as caught:
        build({"_target_": "node_broken.Trainer"})
    assert caught.value.__notes__ == ["while building node_broken.Trainer"]


def test_a_lightning_trainer_can_be_built():
    node = {"_target_": "lightning.Trainer", "max_epochs": 3, "logger": False, "accelerator": "cpu"}
    trainer = build(OmegaConf.create(node), callbacks=[])
    assert trainer.max_epochs == 3


def test_faults_of_all_nodes_are_found_wherever_they_are():
    config = OmegaConf.create(
        {
            "a": {"_target_": "node_targets.Trainer", "anything": 1},
            "b": [{"_target_": "node_targets.fail", "txet": "${nope}"}],
            "c": {"d": {"_target_": "node_targets.fial"}, "e": "???", "f": "${c.e}"},
            "g": {"_target_": 3},
        }
    )
    assert list(faults(config)) == [
        "b.0.txet: Interpolation key 'nope' not found",
        "b.0.txet: node_targets.fail has no parameter txet; did you mean b.0.text? (it takes text)",
        "c.d._target_: node_targets has no fial; did you mean node_targets.fail?",
        "c.e: has no value, give c.e=... on the command line",
        "g._target_: expected a name such as package.module.Class, got 3",
    ]


def test_load_checks_the_nodes(root, write):
    write({"rewards/exact.yaml": "exact: {_target_: fractions.Fraction, numertor: 1}"})
    with pytest.raises(ConfigError, match=r"did you mean rewards\.exact\.numerator\?"):
        load("train", [], root)
