"""Nodes with a `_target_`, checked when the config is composed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from k15.config.errors import ConfigError, did_you_mean
from k15.config.parts import RESERVED
from k15.config.targets import taken


def faults(node: DictConfig | ListConfig, at: str = "", *, imports: bool = False) -> Iterator[str]:
    """What would keep a config from being used: values that are missing, interpolations that lead
    nowhere, targets that do not exist or do not take their arguments.

    With `imports`, targets that only an import tells of are imported.
    """
    names: list[Any] = list(node) if isinstance(node, DictConfig) else list(range(len(node)))
    for name in names:
        key = f"{at}{name}"
        if OmegaConf.is_missing(node, name):
            yield f"{key}: has no value, give {key}=... on the command line"
            continue
        try:
            value = node[name]
        except InterpolationToMissingValueError:
            continue  # the value that is missing speaks for itself
        except OmegaConfBaseException as error:
            yield f"{key}: {str(error).splitlines()[0]}"
            continue
        if OmegaConf.is_config(value) and not OmegaConf.is_interpolation(node, name):
            yield from faults(value, f"{key}.", imports=imports)
    if isinstance(node, DictConfig) and "_target_" in node:  # false if it does not resolve
        arguments = [name for name in names if name not in RESERVED]
        yield from _misfits(at, node["_target_"], arguments, imports)


def _misfits(at: str, target: object, arguments: list[Any], imports: bool) -> Iterator[str]:
    """What is wrong with the node whose keys start with `at`."""
    try:
        known = taken(target, imports=imports)
    except ConfigError as error:
        yield f"{at}_target_: {error}"
        return
    for name in arguments:
        if known is not None and not {name, "**"} & known.keys():
            hint = did_you_mean(name, known, at)
            listed = ", ".join(known) or "no parameters"
            yield f"{at}{name}: {target} has no parameter {name}{hint} (it takes {listed})"
