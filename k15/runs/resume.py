"""Going on with a run: its folder, its start weights, its newest checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from k15.config import ConfigError
from k15.runs.folders import stage


def resumed(config: DictConfig) -> DictConfig:
    """Continue a run: its folder, its start weights, its newest checkpoint.

    `resume` is `last` (of `run_dir`, else the stage's newest run), a run's folder or a .ckpt file.
    """
    checkpoint = newest_checkpoint(config)
    folder = checkpoint.parent.parent
    saved = OmegaConf.load(folder / "config.yaml")
    for key, value in flat(saved.model).items():
        now = flat(OmegaConf.create(OmegaConf.to_container(config.model, resolve=True))).get(key)
        if key != "path" and now != value:
            raise ConfigError(
                f"resume={config.resume}: the checkpoint is of another model: model.{key} is "
                f"{value!r} there and "
                f"{now!r} here; pass model.{key}={value} or start a new run"
            )
    config.model.path = saved.model.path
    config.fingerprint = saved.fingerprint
    config.run_dir, config.resume = str(folder), str(checkpoint)
    return config


def newest_checkpoint(config: DictConfig) -> Path:
    """The checkpoint that `resume` means; raises ConfigError if there is none."""
    asked = Path(config.resume)
    if asked.suffix == ".ckpt" and asked.is_file():
        return asked
    if config.resume != "last":
        folders = [asked]
    elif config.run_dir is not None:
        folders = [Path(config.run_dir)]
    else:
        folders = sorted(Path(config.outputs, stage(config)).glob("*"), reverse=True)
    for folder in folders:
        found = sorted(folder.glob("checkpoints/*.ckpt"))
        if found:
            return found[-1]
    looked = ", ".join(str(folder) for folder in folders[:3]) or f"{config.outputs}/{stage(config)}"
    raise ConfigError(f"resume={config.resume}: no checkpoint found in {looked}")


def flat(node: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted keys and values of a mapping."""
    leaves: dict[str, Any] = {}
    for key, value in node.items():
        if OmegaConf.is_dict(value):
            leaves |= flat(value, f"{prefix}{key}.")
        else:
            leaves[f"{prefix}{key}"] = value
    return leaves
