"""The folder of a run: taken, locked, and what was asked for written into it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import environ
from pathlib import Path

from omegaconf import DictConfig

from k15.config import ConfigError, decisions, shown
from k15.folders import locked, unused_folder, write_text
from k15.runs.settings import settings

SAVED = "config.yaml"
"""The configuration as it was printed."""
SETTINGS = "settings.json"
"""What a resumed run is compared with."""
RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")
"""Environment variables by which launchers number processes; the first one writes."""


def stage(config: DictConfig) -> str:
    """The name of the stage, also where its YAML is a file of one's own."""
    return Path(config.choices.stage).stem


def own_folder(config: DictConfig) -> Path:
    """A folder for a new run, made now: runs that start in the same second get different ones."""
    while True:
        folder = unused_folder(Path(config.outputs, stage(config)))
        with suppress(FileExistsError):
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir()
            return folder


@contextmanager
def opened(config: DictConfig) -> Iterator[None]:
    """The run's folder for this process alone; prints the configuration and writes it there.

    Raises ConfigError if another process is writing there, or if a new run finds one there.
    """
    folder = Path(config.run_dir)
    if any(environ.get(name, "0") != "0" for name in RANKS):
        yield  # the first rank has opened it
        return
    with locked(folder):
        if config.resume is None:
            check_unused(folder)
        text = shown(config)
        write_text(folder / SAVED, text)
        write_text(folder / SETTINGS, json.dumps(settings(config), indent=1))
        print("\n".join([f"{text}run_dir: {folder}", *decisions(config)]), flush=True)
        yield


def check_unused(folder: Path) -> None:
    """Raise ConfigError if a run has left checkpoints there."""
    if any(folder.glob("checkpoints/*.ckpt")):
        raise ConfigError(
            f"run_dir={folder}: a run is there already; continue it with resume=last, or choose "
            "another folder"
        )
