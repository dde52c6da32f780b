"""Nodes with a `_target_`: checked when the config is composed, built when it is their turn."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from k15.config.errors import ConfigError, did_you_mean, raised_by
from k15.config.signatures import check

RESERVED = ("_target_", "_partial_")


def faults(node: DictConfig | ListConfig, at: str = "") -> Iterator[str]:
    """What would keep a config from being used: values that are missing, interpolations that lead
    nowhere, targets that do not exist or do not take their arguments. Imports no target.
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
            yield from faults(value, f"{key}.")
    if isinstance(node, DictConfig) and "_target_" in node:  # false if it does not resolve
        yield from check(at, node["_target_"], [name for name in names if name not in RESERVED])


def plain(node: Any) -> Any:
    """A config as dicts, lists and scalars, interpolations resolved."""
    if OmegaConf.is_config(node):
        return OmegaConf.to_container(node, resolve=True, throw_on_missing=True)
    return node


def build(node: Any, /, **context: Any) -> Any:
    """Turn a node into what it describes.

    A mapping with `_target_` becomes the result of calling the target with its other keys, built
    likewise; with `_partial_: true`, a `functools.partial` of it. Other mappings and lists are
    built value by value. `context` holds objects made in code: each goes to every target, nested
    ones too, that has a parameter of this name which the YAML does not set (`**kwargs` is none).

    Example: `build(config.optimizer, params=model.parameters())`

    Raises:
        ConfigError: a target that cannot be found or an argument that nobody gave. What a target
            raises itself passes through with a note that names the target.
    """
    return _build(plain(node), context, "")


def _build(node: Any, context: Mapping[str, Any], at: str) -> Any:
    if isinstance(node, list):
        return [_build(item, context, f"{at}{i}.") for i, item in enumerate(node)]
    if not isinstance(node, dict):
        return node
    if "_target_" in node:
        return _call(node, context, at)
    return {key: _build(value, context, f"{at}{key}.") for key, value in node.items()}


def _call(node: Mapping[str, Any], context: Mapping[str, Any], at: str) -> Any:
    where = f"{at[:-1]} ({node['_target_']})" if at else node["_target_"]
    target = _import(node["_target_"], where)
    parameters = _parameters(target)
    given = {key: context[key] for key in parameters if key in context and key not in node}
    needed = [key for key, parameter in parameters.items() if parameter.default is parameter.empty]
    missing = [key for key in needed if key not in given and key not in node]
    if missing and not node.get("_partial_"):
        raise ConfigError(
            f"{where}: nobody gave {', '.join(missing)}: set it in the YAML "
            f"(objects that code hands on: {', '.join(context) or 'none'})"
        )
    values = {key: node[key] for key in node if key not in RESERVED}
    given |= {key: _build(value, context, f"{at}{key}.") for key, value in values.items()}
    if node.get("_partial_"):
        return functools.partial(target, **given)
    with _noting(where):
        return target(**given)


def _import(target: str, where: str) -> Any:
    """The longest prefix that is a module, attributes from there on."""
    parts = target.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:cut])
        try:
            with _noting(where):
                found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if f"{module}.".startswith(f"{error.name}."):
                continue
            raise  # something that the target's module imports
        for name in parts[cut:]:
            if not hasattr(found, name):
                raise ConfigError(f"{where}: no {name} in {module}{did_you_mean(name, dir(found))}")
            found = getattr(found, name)
        return found
    raise ConfigError(f"{where}: no module {parts[0]}")


def _parameters(target: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """What can be given by keyword; nothing where Python does not tell (some compiled code)."""
    try:
        parameters = inspect.signature(target).parameters
    except (TypeError, ValueError):
        return {}
    by_keyword = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: found for name, found in parameters.items() if found.kind in by_keyword}


@contextmanager
def _noting(where: str) -> Iterator[None]:
    """Add to an exception which target it comes from.

    A ValueError that k15 itself raised is about what the user wrote, so it becomes a ConfigError.
    """
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        if isinstance(error, ValueError) and raised_by(error).startswith("k15."):
            raise ConfigError(f"{error}\nwhile building {where}") from error
        error.add_note(f"while building {where}")
        raise
