"""What the target of a `_target_` node accepts, read from source files; nothing is imported.

A typo in a YAML is refused before torch is imported, which takes seconds. What source files do not
tell (compiled modules, names made at run time, class decorators nobody here knows) is left to
`k15.config.build`, which imports for real.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from k15.config.errors import did_you_mean
from k15.config.sources import (
    Definition,
    UnknownTargetError,
    UnreadableError,
    bindings,
    last_name,
    lineage,
    locate,
)

HARMLESS_DECORATORS = {"final", "runtime_checkable", "total_ordering"}  # leave constructors alone


@dataclass(frozen=True)
class Signature:
    """What can be given by keyword."""

    parameters: Mapping[str, str]
    """Annotation by parameter name, as it is written; empty where there is none."""
    takes_any: bool = False
    """Whether `**kwargs` takes every other name."""


def read(target: str) -> Signature | None:
    """The signature behind a dotted name, None where source files do not tell.

    A class has that of its constructor, own or inherited; the fields of a dataclass count.

    Raises:
        UnknownTargetError: there is no such class or function.
    """
    try:
        found = locate(target)
        if isinstance(found.node, ast.ClassDef):
            return _constructor(found)
        return _parameters(found.node, found.bound)
    except UnreadableError:
        return None


def check(at: str, target: object, arguments: Iterable[str]) -> Iterator[str]:
    """What is wrong with the node whose keys start with `at`, one message per fault."""
    if not isinstance(target, str):
        yield f"{at}_target_: expected a name such as package.module.Class, got {target!r}"
        return
    try:
        signature = read(target)
    except UnknownTargetError as error:
        yield f"{at}_target_: {error}"
        return
    if signature is None or signature.takes_any:
        return
    known = signature.parameters
    for name in arguments:
        if name not in known:
            hint = did_you_mean(name, known, at)
            listed = ", ".join(known) or "no parameters"
            yield f"{at}{name}: {target} has no parameter {name}{hint} (it takes {listed})"


def annotation(target: object, parameter: str) -> str:
    """The annotation of a target's parameter as it is written, empty if it cannot be told."""
    try:
        signature = read(target) if isinstance(target, str) else None
    except UnknownTargetError:
        return ""
    return signature.parameters.get(parameter, "") if signature else ""


def _constructor(definition: Definition) -> Signature:
    """From the first class of the lineage that has `__init__`, `__new__` or dataclass fields."""
    for ancestor in lineage(definition):
        node = ancestor.node
        assert isinstance(node, ast.ClassDef)
        bound = bindings(node.body)
        if method := bound.get("__init__") or bound.get("__new__"):
            if not isinstance(method, ast.FunctionDef):
                raise UnreadableError
            return _parameters(method, bound=True)
        if _is_dataclass(node):
            return Signature(_fields(ancestor))
        metaclasses = {last_name(keyword.value) for keyword in node.keywords if keyword.arg}
        decorators = {last_name(decorator) for decorator in node.decorator_list}
        if metaclasses - {"ABCMeta"} or decorators - HARMLESS_DECORATORS:
            raise UnreadableError
    return Signature({})


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef, bound: bool) -> Signature:
    arguments = node.args
    # neither self nor positional-only parameters can be given by keyword
    first = max(0, int(bound) - len(arguments.posonlyargs))
    named = [*arguments.args[first:], *arguments.kwonlyargs]
    written = {arg.arg: ast.unparse(arg.annotation) if arg.annotation else "" for arg in named}
    return Signature(written, takes_any=arguments.kwarg is not None)


def _is_dataclass(node: ast.ClassDef) -> bool:
    """Whether the class gets its constructor from `@dataclass`."""
    return any(
        last_name(decorator) == "dataclass" and "init=False" not in ast.unparse(decorator)
        for decorator in node.decorator_list
    )


def _fields(definition: Definition) -> dict[str, str]:
    """Annotation by field, of the dataclass and of those it derives from."""
    fields: dict[str, str] = {}
    for ancestor in reversed([*lineage(definition)]):
        assert isinstance(ancestor.node, ast.ClassDef)
        for node in ancestor.node.body if _is_dataclass(ancestor.node) else ():
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                written = ast.unparse(node.annotation)
                default = ast.unparse(node.value) if node.value else ""
                if "init=False" in default or "ClassVar" in written:
                    fields.pop(node.target.id, None)
                elif not written.endswith("KW_ONLY"):
                    fields[node.target.id] = written
    return fields
