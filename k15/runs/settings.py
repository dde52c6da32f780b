"""What the weights of a run depend on: what tells runs apart, and what a resumed run must keep."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from k15.config import public, said
from k15.folders import sha256

Settings = dict[str, Any]
"""Values by dotted key, interpolations as written: one knob is in it once."""

FREE: tuple[str, ...] = (
    # names of files and folders, and what has taken its effect once the config is composed
    *("outputs", "run_dir", "resume", "resume_allow", "asked", "fingerprint", "decided"),
    *("choices", "inherits", "start_with", "starts", "train_missing"),
    # what only looks on
    *("logger", "benchmark", "prompting", "trainer.logger", "trainer.plugins"),
    *("trainer.default_root_dir", "trainer.profiler", "trainer.detect_anomaly"),
    *("trainer.enable_progress_bar", "trainer.enable_model_summary", "trainer.log_every_n_steps"),
    *("trainer.num_sanity_val_steps", "trainer.limit_val_batches"),
    *("trainer.check_val_every_n_epoch", "trainer.val_check_interval", "module.kl_to_start"),
    # where the work is done; results do not depend on it, but for rounding
    *("threads", "trainer.accelerator", "trainer.devices", "trainer.num_nodes", "trainer.strategy"),
    *("tokens_per_chunk", "sizes.tokens_per_microbatch", "model.gradient_checkpointing"),
    *("model.compile", "model.streamed", "trainer.use_distributed_sampler", "rank_timeout"),
)
"""Settings that make no other weights."""
READ = ("data", "model.chat_template")
"""Where files and folders are named whose content counts."""
LARGE = ("corpus",)
"""Likewise, but there may be terabytes of it: names and sizes count."""
WATCHERS = ("k15.callbacks.", "k15.runs.")
"""Packages whose callbacks look on; somebody else's may do anything."""
ACTORS = ("k15.callbacks.average.", "k15.callbacks.experts.")
"""But for these, which change weights."""


def settings(config: DictConfig) -> Settings:
    """The settings of a composed config, as the command line asked for them.

    Paths in `data`, and that of the chat template, carry the checksum of what lies there, so other
    content is another setting.
    """
    asked = dict(leaves(public(config))) | dict(config.asked)
    free = (*FREE, *watchers(config), *rates_of_others(config))
    kept = {key: value for key, value in asked.items() if not under(key, free)}
    leave_open(config, kept)
    found = {key: with_checksum(config, key, kept[key]) for key in sorted(kept)}
    return json.loads(json.dumps(found))  # as a file gives them back


def leave_open(config: DictConfig, found: Settings) -> None:
    """What was decided by device is where the work is done: what counts is that it was left open,
    and what was said of it all the same.
    """
    for group, made in (config.get("decided") or {}).items():
        for key, usual in leaves({group: said("train", group, made.choice)}):
            if found.get(key) == usual:
                del found[key]
        found[group] = config.choices[group]


def digest(values: Mapping[str, Any]) -> str:
    """Ten hex digits that tell whether values are the same."""
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of nested mappings; an empty one is a value."""
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def under(key: str, prefixes: tuple[str, ...]) -> bool:
    """Whether a dotted key is one of `prefixes` or lies below it."""
    return any(key == prefix or key.startswith(f"{prefix}.") for prefix in prefixes)


def watchers(config: DictConfig) -> list[str]:
    """The keys of callbacks that only look on."""
    return [
        f"callbacks.{name}"
        for name, callback in (config.get("callbacks") or {}).items()
        if callback is None or looks_on(str(callback.get("_target_")))
    ]


def looks_on(target: str) -> bool:
    """Whether a callback of this name leaves the weights alone."""
    return target.startswith(WATCHERS) and not target.startswith(ACTORS)


def rates_of_others(config: DictConfig) -> list[str]:
    """The keys of learning rates that the module does not take: those of other stages."""
    rates = [key for key in config.get("learning_rates") or {} if key != "_target_"]
    taken = OmegaConf.to_yaml(config.module or {})  # interpolations as written
    return [f"learning_rates.{key}" for key in rates if f"${{learning_rates.{key}}}" not in taken]


def with_checksum(config: DictConfig, key: str, value: Any) -> Any:
    """A value that names a file or folder that is read, with the checksum of its content."""
    if isinstance(value, str) and under(key, LARGE) and key.endswith("path"):
        return with_sizes(value, str(OmegaConf.select(config, key)))
    if not isinstance(value, str) or not under(key, READ):
        return value
    path = str(OmegaConf.select(config, key))  # or any text, however long
    if os.path.isfile(path):
        return f"{value} (sha256 {checksum(Path(path))[:10]})"
    if key.endswith("path") and os.path.isdir(path):
        files = sorted(file for file in Path(path).rglob("*") if file.is_file())
        sums = {str(file.relative_to(path)): checksum(file) for file in files}
        return f"{value} (sha256 {digest(sums)})"
    return value


def with_sizes(value: str, path: str) -> str:
    """A value that names a file or folder, with the checksum of its names and sizes."""
    if not os.path.exists(path):
        return value
    files = [Path(path)] if os.path.isfile(path) else sorted(Path(path).rglob("*"))
    sizes = {str(file.relative_to(path)): file.stat().st_size for file in files if file.is_file()}
    return f"{value} (sizes {digest(sizes)})"


def checksum(file: Path) -> str:
    """Of a file's content; read once as long as it stays as it is."""
    found = file.stat()
    return _checksum(file, found.st_size, found.st_mtime_ns)


@cache
def _checksum(file: Path, size: int, changed: int) -> str:
    return sha256(file)
