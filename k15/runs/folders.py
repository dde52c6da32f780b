"""The folder of a run: its name, and the configuration in it."""

from __future__ import annotations

import datetime
from pathlib import Path

from omegaconf import DictConfig, OmegaConf


def stage(config: DictConfig) -> str:
    """The name of the stage, also where its YAML is a file of one's own."""
    return Path(config.choices.stage).stem


def save(config: DictConfig) -> None:
    """Write the resolved configuration into the run's folder and print it."""
    folder = Path(config.run_dir)
    folder.mkdir(parents=True, exist_ok=True)
    text = OmegaConf.to_yaml(config, resolve=True)
    (folder / "config.yaml").write_text(text)
    print(f"{text}run_dir: {folder}", flush=True)


def unused_folder(parent: Path) -> Path:
    """A folder named by the time."""
    name = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    candidates = (parent / name, *(parent / f"{name}-{n}" for n in range(2, 1000)))
    return next(folder for folder in candidates if not folder.exists())
