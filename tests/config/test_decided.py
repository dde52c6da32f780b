"""A choice that a file leaves to a function."""

import sys
from pathlib import Path

import pytest

from k15.config import ConfigError, decisions, load

CONFIGS = {
    "train.yaml": """
        # Train.
        defaults: {stage: rl, device: none, engine: auto}
        root_groups: [stage]
        """,
    "stage/rl.yaml": "engine: {rows: 3}",
    "device/none.yaml": "{kind: cpu}",
    "device/fast.yaml": "{kind: gpu}",
    "engine/auto.yaml": "decided_by: deciding.engine_for",
    "engine/small.yaml": "{_target_: deciding.Small, rows: 1, size: 7}",
    "engine/large.yaml": "{_target_: deciding.Large, rows: 1, depth: 9}",
    "deciding.py": """
        class Small:
            def __init__(self, *, rows=1, size=7): ...

        class Large:
            def __init__(self, *, rows=1, depth=9): ...

        def engine_for(config):
            large = config.device.kind == "gpu" or "depth" in config.engine
            return ("large" if large else "small"), f"device.kind={config.device.kind}"
        """,
}


@pytest.fixture
def root(write, monkeypatch):
    folder = write(CONFIGS)
    monkeypatch.syspath_prepend(folder)
    yield folder
    sys.modules.pop("deciding", None)


def test_it_is_asked_with_all_that_the_command_line_says(root: Path) -> None:
    """And what others say of the group is on top of what it chooses."""
    for words, name, kind in (
        ([], "small", "cpu"),
        (["device=fast"], "large", "gpu"),
        (["device.kind=gpu"], "large", "gpu"),
        (["engine.depth=2"], "large", "cpu"),
    ):
        config = load("train", words, root)
        assert config.engine._target_ == f"deciding.{name.title()}"
        assert config.engine.rows == 3
        assert config.choices.engine == "auto"
        assert config.decided.engine == {"choice": name, "because": f"device.kind={kind}"}
        assert decisions(config) == [f"engine={name}: device.kind={kind}"]


@pytest.mark.parametrize("word", ["engine=small", "engine={_target_: deciding.Small}"])
def test_it_is_not_asked_where_somebody_chooses(root: Path, word: str) -> None:
    config = load("train", ["device=fast", word], root)
    assert config.engine._target_ == "deciding.Small"
    assert "decided" not in config and decisions(config) == []


def test_faults_are_those_of_what_was_chosen(root: Path) -> None:
    with pytest.raises(ConfigError, match=r"^engine.roows: deciding.Small has no .* engine.rows\?"):
        load("train", ["engine.roows=2"], root)
