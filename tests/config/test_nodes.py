import pytest
from omegaconf import OmegaConf

from k15.config import ConfigError, load
from k15.config.nodes import faults

TARGETS = """
    class Trainer:
        def __init__(self, policy, steps=1, *, source=None, **kwargs):
            pass

    def fail(text):
        raise KeyError(text)
    """


@pytest.fixture(autouse=True)
def targets(write, monkeypatch):
    """A package with targets that is on the path."""
    monkeypatch.syspath_prepend(write({"node_targets.py": TARGETS}))


def test_faults_of_all_nodes_are_found_wherever_they_are():
    config = OmegaConf.create(
        {
            "a": {"_target_": "node_targets.Trainer", "anything": 1},
            "b": [{"_target_": "node_targets.fail", "txet": "${nope}"}],
            "c": {"d": {"_target_": "node_targets.fial"}, "e": "???", "f": "${c.e}"},
            "g": {"_target_": 3},
        }
    )
    assert list(faults(config, imports=True)) == [
        "b.0.txet: Interpolation key 'nope' not found",
        "b.0.txet: node_targets.fail has no parameter txet; did you mean b.0.text? (it takes text)",
        "c.d._target_: node_targets has no fial; did you mean node_targets.fail?",
        "c.e: has no value, give c.e=... on the command line",
        "g._target_: expected a name such as package.module.Class, got 3",
    ]


def test_users_targets_wait_for_the_import():
    config = OmegaConf.create({"a": {"_target_": "node_targets.fail", "txet": 1}})
    assert list(faults(config)) == []


def test_load_checks_the_nodes(root, write):
    write({"rewards/exact.yaml": "exact: {_target_: k15.sandbox.protocol.Limits, memory_mb: 1}"})
    with pytest.raises(ConfigError, match=r"did you mean rewards\.exact\.memory_mib\?"):
        load("train", [], root)
