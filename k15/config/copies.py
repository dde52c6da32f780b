"""One knob, one address: which keys of a config are copies of others, and of which."""

from __future__ import annotations

from typing import Any, cast

from omegaconf import DictConfig, Node, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from omegaconf.nodes import InterpolationResultNode


def part_address(config: DictConfig, name: str) -> str | None:
    """Where the part of this name stands, None if there is none or its address holds null."""
    address = (config.get("parts") or {}).get(name)
    return None if address is None or OmegaConf.select(config, address) is None else address


def true_address(config: DictConfig, key: str) -> str:
    """Where the value that a dotted key leads to really stands; `key` itself if it is no copy.

    Example: `true_address(config, "module.loss.tau") == "objective.loss.tau"`
    """
    node, at = config, ""
    names = key.split(".")
    for index, name in enumerate(names):
        if address := copied(node, name, at):
            return true_address(config, ".".join([address, *names[index + 1 :]]))
        value = node._get_node(name)
        if not isinstance(value, DictConfig):
            break
        node, at = value, f"{at}{name}."
    return key


def copied(node: DictConfig, name: str, at: str) -> str | None:
    """The address of what a key of the mapping at the prefix `at` copies, None if it is no copy.

    A copy is a value that is an interpolation and nothing else, and what a target does not set
    because it is handed on. Settings at the root may start as another's value.
    """
    if not at:
        return None
    if name in list(node):
        return _interpolated(node, name)
    root = root_of(node)
    address = part_address(root, name) if "_target_" in list(node) else None
    return address if address and not at.startswith(f"{address}.") else None


def root_of(node: DictConfig) -> DictConfig:
    """The whole config that a node is part of."""
    return cast(DictConfig, node._get_root())


def _interpolated(node: DictConfig, name: str) -> str | None:
    if not OmegaConf.is_interpolation(node, name):
        return None
    try:
        referred: Any = cast(Node, node._get_node(name))._maybe_dereference_node()
    except OmegaConfBaseException:
        return None  # it leads nowhere, and is told so elsewhere
    made = isinstance(referred, InterpolationResultNode)  # a longer text, the environment
    return None if made else referred._get_full_key(None)
