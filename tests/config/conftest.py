"""A small tree of configs and a package of targets, both written to a folder of the test's own."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

CONFIGS = {
    "train.yaml": """
        # Train a model.
        #   python train.py stage=rl
        defaults: {stage: rl, model: tiny, data: sums, rewards: null, experiment: null, debug: null}
        root_groups: [stage, experiment, debug]
        seed: 1
        name: ${choices.stage}-${choices.model}
        """,
    "stage/rl.yaml": """
        # RL: ten iterations
        defaults: {rewards: exact}
        trainer: {_target_: lightning.Trainer, max_epochs: 10, devices: auto}
        """,
    "stage/sft.yaml": """
        # SFT: two epochs
        trainer: {_target_: lightning.Trainer, max_epochs: 2}
        """,
    "model/tiny.yaml": "{depth: 2, dropout: 0.0, tied: true, kind: text, widths: [8, 8]}",
    "model/big.yaml": "{depth: 24, dropout: 0.1, tied: false, kind: text, widths: [64]}",
    "data/sums.yaml": "{levels: [1, 2], options: {}}",
    "data/math.yaml": """
        # Problems from a file
        defaults: {model: big, rewards: judged}
        path: ???
        """,
    "rewards/exact.yaml": "exact: {_target_: k15.sandbox.protocol.Limits, memory_mib: 1}",
    "rewards/judged.yaml": "judge: {_target_: k15.sandbox.protocol.Limits, memory_mib: 2}",
    "experiment/short.yaml": """
        defaults: {model: tiny}
        seed: 7
        trainer: {max_epochs: 3}
        """,
    "debug/one.yaml": """
        trainer: {max_epochs: 1}
        """,
}

Write = Callable[[dict[str, str]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files, given by path and text, and return the folder."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"))
        return tmp_path

    return write


@pytest.fixture
def root(write: Write) -> Path:
    """A folder of configs."""
    return write(CONFIGS)
