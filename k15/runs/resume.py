"""Going on with a run: in its folder, from its newest checkpoint, with its settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from k15.config import ConfigError
from k15.runs.checkpoints import epochs_done, fault
from k15.runs.folders import SAVED, SETTINGS, stage
from k15.runs.settings import Settings, digest, settings, under

LENGTH = "trainer.max_epochs"


def go_on_or_begin(config: DictConfig) -> None:
    """`resume=auto` is `last` where `run_dir` has a checkpoint, and else null: one command for the
    first start and for each after a requeue.

    Raises ConfigError without `run_dir`: a new run would have another one each time.
    """
    if config.resume != "auto":
        return
    if config.run_dir is None:
        raise ConfigError("resume=auto: needs run_dir=<folder>, the same one each time")
    config.resume = "last" if any(Path(config.run_dir).glob("checkpoints/*.ckpt")) else None


def resumed(config: DictConfig) -> DictConfig:
    """Continue a run: its folder, the paths that were filled in for it, its newest checkpoint.

    `resume` is `last` (of `run_dir`, else the stage's newest run), a run's folder or a .ckpt.

    Raises ConfigError if there is no checkpoint that can be trusted, if the run is longer already
    than `trainer.max_epochs`, or naming the settings that are others than the run's and not in
    `resume_allow`.
    """
    checkpoint = newest_checkpoint(config)
    folder = checkpoint.parent.parent
    if not (folder / SETTINGS).is_file():
        raise ConfigError(
            f"resume={config.resume}: {folder} is not the folder of a run (it has no {SETTINGS}); "
            "a checkpoint needs its run around it"
        )
    check_length(config, checkpoint)
    before, now = json.loads((folder / SETTINGS).read_text()), settings(config)
    check_same(before, now, config)
    saved = OmegaConf.load(folder / SAVED)
    for key in saved.asked:
        OmegaConf.update(config, key, OmegaConf.select(saved, key))
    config.asked = saved.asked
    config.fingerprint = (
        saved.fingerprint if before == now else digest({**now, "after": saved.fingerprint})
    )
    config.run_dir, config.resume = str(folder), str(checkpoint)
    return config


def newest_checkpoint(config: DictConfig) -> Path:
    """The checkpoint that `resume` means: of a run the newest that is whole; says in a line which
    are not.

    Raises ConfigError if there is none.
    """
    asked = Path(config.resume)
    if asked.suffix == ".ckpt" and asked.exists():
        if reason := fault(asked):
            raise ConfigError(f"resume={asked}: it {reason}; take another, or resume=last")
        return asked
    folder = asked if config.resume != "last" else last_run(config)
    files = sorted(folder.glob("checkpoints/*.ckpt"), reverse=True)
    for file in files:
        if not (reason := fault(file)):
            return file
        print(f"{file} {reason}; it is passed over", flush=True)
    hint = "none of them is whole" if files else "it was ended before its first one"
    raise ConfigError(f"resume={config.resume}: no checkpoint found in {folder}: {hint}")


def last_run(config: DictConfig) -> Path:
    """The run that `resume=last` means; raises ConfigError if the stage has none."""
    if config.run_dir is not None:
        return Path(config.run_dir)
    runs = sorted(Path(config.outputs, stage(config)).glob(f"*/{SAVED}"))
    if not runs:
        raise ConfigError(
            f"resume=last: no checkpoint found, for there is no run in {config.outputs}/"
            f"{stage(config)}"
        )
    return runs[-1].parent


def check_length(config: DictConfig, checkpoint: Path) -> None:
    """Raise ConfigError if fewer epochs are asked for than are done."""
    done, asked = epochs_done(checkpoint) or 0, OmegaConf.select(config, LENGTH)
    if epochs(asked) < done:
        raise ConfigError(
            f"{LENGTH}={asked}: {done} are done in {checkpoint}; ask for as many or more"
        )


def check_same(before: Settings, now: Settings, config: DictConfig) -> None:
    """Raise ConfigError naming each setting that differs, unless it is allowed to; a longer run is
    no other run.
    """
    allowed = tuple(config.resume_allow)
    faults = []
    for key in changed(before, now):
        if key == LENGTH and epochs(now.get(key)) > epochs(before.get(key)):
            continue
        there, here = (values.get(key, "absent") for values in (before, now))
        if under(key, allowed):
            print(f"from here on {key} is {here}, no longer {there}", flush=True)
            continue
        faults.append(
            f"resume={config.resume}: {key} is {there!r} there and {here!r} here; give it as it "
            f"was, or resume_allow=[{key}]"
        )
    if faults:
        raise ConfigError("\n".join(faults))


def changed(before: Settings, now: Settings) -> Sequence[str]:
    """The keys whose values differ, or that only one side has."""
    absent = object()
    keys = sorted({*before, *now})
    return [key for key in keys if before.get(key, absent) != now.get(key, absent)]


def epochs(value: Any) -> float:
    """`trainer.max_epochs` as a number: null and -1 are without end."""
    return inf if value in (None, -1) else value
