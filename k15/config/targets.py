"""The classes and functions that configs name by import path: what they take, and they themselves.

A config may name anything that is installed or lies on the path, but for Python's own library:
`os.system` and its like are no parts, and a YAML from elsewhere shall not run them.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from k15.config.errors import ConfigError, did_you_mean
from k15.config.sources import Names, read

Parameters = Mapping[str, inspect.Parameter]
"""By name; one is called `**` if every other name is taken, too."""

ANY = inspect.Parameter("any", inspect.Parameter.VAR_KEYWORD)
INHERITED = object()
"""The default of what a parent takes: its child may give it a value, or not."""


def taken(target: object, *, imports: bool) -> Names | None:
    """What a target takes by keyword; None if only an import tells and `imports` is false.

    Raises:
        ConfigError: it is no name, or there is nothing of this name that a config may name.
    """
    if not isinstance(target, str) or not all(map(str.isidentifier, target.split("."))):
        raise ConfigError(f"expected a name such as package.module.Class, got {target!r}")
    _refuse_python(target, target)
    names = read(target)
    if names is not None or not imports:
        return names
    return {name: _written(it) for name, it in parameters_of(import_target(target)).items()}


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
    _refuse_python(target, target)
    package, *names = target.split(".")
    for cut in range(len(names) - 1, -1, -1):
        module = ".".join([package, *names[:cut]])
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            if f"{module}.".startswith(f"{error.name}."):
                continue
            raise  # something that the target's module imports
        for name in names[cut:]:
            found = _attribute(found, name, target)
        if not callable(found):
            raise ConfigError(f"{target} is no class or function")
        return found
    installed = [module.name for module in pkgutil.iter_modules()]
    raise ConfigError(f"no module {package}{did_you_mean(package, installed)}")


def _attribute(owner: Any, name: str, target: str) -> Any:
    if not hasattr(owner, name):
        hint = did_you_mean(name, dir(owner), f"{owner.__name__}.")
        raise ConfigError(f"{owner.__name__} has no {name}{hint}")
    found = getattr(owner, name)
    home = found.__name__ if inspect.ismodule(found) else getattr(found, "__module__", None)
    _refuse_python(str(home), target)
    return found


def _refuse_python(name: str, target: str) -> None:
    if name.partition(".")[0] in sys.stdlib_module_names:
        raise ConfigError(f"{target} is of Python's own library, which configs may not name")


def _written(parameter: inspect.Parameter) -> str:
    return "" if parameter.annotation is parameter.empty else str(parameter.annotation)


def parameters_of(target: Callable[..., Any]) -> Parameters:
    """Read from an imported class or function; `**` where Python does not tell (compiled code).

    A constructor with `**kwargs` passes them on to the next one in the order of its ancestors, as
    `super().__init__(**kwargs)` does.
    """
    found: dict[str, inspect.Parameter] = {}
    for parents, owner in enumerate(_callables(target)):
        try:
            own = inspect.signature(owner).parameters.values()
        except (TypeError, ValueError):
            return {**found, "**": ANY}
        found.pop("**", None)
        for parameter in own:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                there = parameter.replace(default=INHERITED) if parents else parameter
                found.setdefault(parameter.name, there)
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in own):
            break
        found["**"] = ANY
    return found


def required(parameters: Parameters) -> set[str]:
    """Those without a default, as far as the class or function has them itself."""
    return {name for name, given in parameters.items() if given.default is given.empty} - {"**"}


def misled(parameters: Parameters, error: TypeError) -> bool:
    """Whether an error is about a parameter that a constructor may or may not pass on."""
    about = re.search(r"(?:missing .* argument|multiple values for .* argument).*", str(error))
    inherited = (name for name, given in parameters.items() if given.default is INHERITED)
    return about is not None and any(f"'{name}'" in about[0] for name in inherited)


def _callables(target: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """A function alone; of a class those ancestors that have a constructor of their own."""
    if not isinstance(target, type):
        yield target
        return
    for ancestor in target.__mro__[:-1]:
        if {"__init__", "__new__"} & ancestor.__dict__.keys():
            yield ancestor
