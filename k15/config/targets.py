"""The classes and functions that configs name by import path: what they take, and they themselves.

A config may name anything that is installed or lies on the path, but for Python's own library:
`os.system` and its like are no parts, and a YAML from elsewhere shall not run them.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable
from typing import Any

from k15.config.errors import ConfigError, did_you_mean
from k15.config.parameters import parameters_of
from k15.config.sources import Names, read


def taken(target: object, *, imports: bool) -> Names | None:
    """What a target takes by keyword; None if only an import tells and `imports` is false.

    Raises:
        ConfigError: it is no name, or there is nothing of this name that a config may name.
    """
    if not isinstance(target, str) or not all(map(str.isidentifier, target.split("."))):
        raise ConfigError(f"expected a name such as package.module.Class, got {target!r}")
    _refuse_python(target.partition(".")[0], target)
    names = read(target)
    if names is None and imports:
        parameters = parameters_of(import_target(target))
        return parameters.names | ({"**": ""} if parameters.takes_any else {})
    return names


def annotation(target: object, parameter: str) -> str:
    """The annotation of a target's parameter as it is written, empty if it cannot be told."""
    try:
        return (taken(target, imports=True) or {}).get(parameter, "")
    except ConfigError:
        return ""


def import_target(target: str) -> Callable[..., Any]:
    """What a dotted name stands for: the longest prefix that is a module, attributes from there on.

    Raises:
        ConfigError: there is no such class or function, or a config may not name it.
    """
    parts = target.split(".")
    _refuse_python(parts[0], target)
    for cut in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:cut])
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if f"{module}.".startswith(f"{error.name}."):
                continue
            raise  # something that the target's module imports
        for name in parts[cut:]:
            found = _attribute(found, name, target)
        if not callable(found):
            raise ConfigError(f"{target} is no class or function")
        return found
    names = [module.name for module in pkgutil.iter_modules()]
    raise ConfigError(f"no module {parts[0]}{did_you_mean(parts[0], names)}")


def _attribute(owner: Any, name: str, target: str) -> Any:
    if not hasattr(owner, name):
        hint = did_you_mean(name, dir(owner), f"{owner.__name__}.")
        raise ConfigError(f"{owner.__name__} has no {name}{hint}")
    found = getattr(owner, name)
    if inspect.ismodule(found) or inspect.isclass(found) or inspect.isroutine(found):
        home = found.__name__ if inspect.ismodule(found) else found.__module__ or ""
        _refuse_python(home.partition(".")[0], target)
    return found


def _refuse_python(package: str, target: str) -> None:
    if package in sys.stdlib_module_names:
        raise ConfigError(f"{target} is of Python's own library, which configs may not name")
