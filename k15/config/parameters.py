"""What a class or function takes by keyword, its parents' parameters behind `**kwargs` included."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

BY_KEYWORD = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Parameters:
    """What can be given by keyword."""

    names: dict[str, str]
    """Annotation by parameter name; empty where there is none."""
    required: frozenset[str]
    """Those without a default, as far as the class or function has them itself."""
    keyword_only: frozenset[str]
    inherited: frozenset[str]
    """Those of parents, reached by `**kwargs` alone."""
    takes_any: bool
    """Whether `**kwargs` takes every other name."""

    def misled(self, error: TypeError) -> bool:
        """Whether the complaint is of a parameter that the constructor may or may not pass on."""
        found = re.search(r"missing .* argument|multiple values for .* argument", str(error))
        return found is not None and any(f"'{name}'" in str(error) for name in self.inherited)


def parameters_of(target: Callable[..., Any]) -> Parameters:
    """Read from an imported class or function; nothing where Python does not tell (compiled code).

    A constructor with `**kwargs` passes them on to the next one in the order of its ancestors, as
    `super().__init__(**kwargs)` does.
    """
    names: dict[str, str] = {}
    own: list[inspect.Parameter] = []
    takes_any = False
    for index, owner in enumerate(_callables(target)):
        try:
            found = inspect.signature(owner).parameters.values()
        except (TypeError, ValueError):
            takes_any = True
            break
        taken = [parameter for parameter in found if parameter.kind in BY_KEYWORD]
        own = taken if index == 0 else own
        names = {parameter.name: _written(parameter) for parameter in taken} | names
        takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in found)
        if not takes_any:
            break
    return Parameters(
        names=names,
        required=frozenset(p.name for p in own if p.default is p.empty),
        keyword_only=frozenset(p.name for p in own if p.kind is p.KEYWORD_ONLY),
        inherited=frozenset(names) - {p.name for p in own},
        takes_any=takes_any,
    )


def _callables(target: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """A function alone; of a class those ancestors that have a constructor of their own."""
    if not isinstance(target, type):
        yield target
        return
    for ancestor in target.__mro__[:-1]:
        if {"__init__", "__new__"} & ancestor.__dict__.keys():
            yield ancestor


def _written(parameter: inspect.Parameter) -> str:
    return "" if parameter.annotation is parameter.empty else str(parameter.annotation)
