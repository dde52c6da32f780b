"""What a dotted name stands for, found in source files; nothing is imported.

The name is followed through the files that an import would run: modules by the import system's
path finder, `from x import y as z` and `y = x.z` through each file's syntax tree, attributes of
classes through their base classes.
"""

from __future__ import annotations

import ast
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import resolve_name
from pathlib import Path
from typing import Any, NamedTuple

from k15.config.errors import did_you_mean

AT_RUN_TIME = (b"sys.modules[", b"globals()", b"exec(")  # marks of a module that makes up names
WITHOUT_ARGUMENTS = {"object", "ABC", "Generic", "Protocol"}  # bases not worth a parse of typing.py


class UnknownTargetError(LookupError):
    """No module, class or function has this name; the message says which is nearest."""


class UnreadableError(Exception):
    """The name may well exist, but source files do not tell: it is compiled or made at run time."""


class Definition(NamedTuple):
    """A class or function, and the module in which the names in it are looked up."""

    node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    module: Module
    bound: bool = False
    """Whether the first parameter is filled: a classmethod."""


class _Import(NamedTuple):
    module: str
    name: str | None


Binding = ast.AST | _Import
Found = str | Definition  # a module's name, or a class or function
Names = frozenset[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Module:
    """What the names in a file are bound to."""

    name: str
    bindings: Mapping[str, Binding]
    stars: tuple[str, ...]
    """Modules of `from x import *`."""
    at_run_time: bool
    """Whether it may have names that are not in `bindings`."""


def locate(target: str) -> Definition:
    """The class or function that `package.module.Name` or `package.module.Class.method` stands for.

    Raises:
        UnknownTargetError: there is none of this name.
        UnreadableError: source files do not tell.
    """
    parts = target.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise UnknownTargetError(f"{target!r} is not a dotted name such as package.module.Class")
    if _spec(parts[0]) is None:
        if parts[0] in sys.modules:
            raise UnreadableError
        names = (module.name for module in pkgutil.iter_modules())
        raise UnknownTargetError(f"no module {parts[0]}{did_you_mean(parts[0], names)}")
    # as an import does: the longest prefix that is a module, attributes from there on
    cut = next(n for n in range(len(parts) - 1, 0, -1) if _spec(".".join(parts[:n])))
    found: Found = ".".join(parts[:cut])
    for name in parts[cut:]:
        found = _attribute(found, name)
    if isinstance(found, str):
        raise UnknownTargetError(f"{target} is a module, name a class or function in it")
    return found


def lineage(definition: Definition) -> Iterator[Definition]:
    """A class and its ancestors in the order in which Python asks them for an attribute.

    Raises:
        UnreadableError: on reaching a base class that cannot be found, no earlier.
    """
    yield definition
    # depth first, each class at its last place: after every class that derives from it
    rest = dict.fromkeys(reversed([*_ancestors(definition)]))
    for ancestor in reversed(rest):
        if not isinstance(ancestor, Definition):
            raise UnreadableError
        yield ancestor


def bindings(body: Iterable[ast.stmt], package: str = "") -> dict[str, Binding]:
    """What each name in the body of a module or class is bound to; `package` for its imports."""
    bound: dict[str, Binding] = {}
    for node in _statements(body):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                bound[node.name] = node
            case ast.ImportFrom():
                for alias in node.names:
                    bound[alias.asname or alias.name] = _Import(_origin(node, package), alias.name)
            case ast.Import():
                for alias in node.names:
                    top = alias.name.partition(".")[0]
                    bound[alias.asname or top] = _Import(alias.name if alias.asname else top, None)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                bound[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                bound[name] = value
            case ast.Assign():  # a, b = ...: the names exist, what they are cannot be told
                targets = [part for target in node.targets for part in ast.walk(target)]
                for part in targets:
                    if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                        bound[part.id] = node
    return bound


def last_name(node: ast.expr) -> str:
    """Last part of the name in a decorator or base class: `abc.ABC`, `dataclass(frozen=True)`."""
    while isinstance(node, ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return ast.unparse(node).rpartition(".")[2]


def _attribute(owner: Found, name: str, seen: Names = frozenset()) -> Found:
    return _member(owner, name, seen) if isinstance(owner, str) else _class_member(owner, name)


def _member(module_name: str, name: str, seen: Names) -> Found:
    """What `module_name.name` is; `seen` are the names on the way here."""
    submodule = f"{module_name}.{name}"
    module = _module(module_name)
    # `from package import submodule` in the package itself comes back to the name it binds
    if name in module.bindings and (module_name, name) not in seen:
        return _follow(module, module.bindings[name], seen | {(module_name, name)})
    if _spec(submodule):
        return submodule
    if name in module.bindings or "__getattr__" in module.bindings or module.at_run_time:
        raise UnreadableError
    for star in module.stars:
        try:
            return _member(star, name, seen)
        except UnknownTargetError:
            continue
    submodules = (found.name for found in pkgutil.iter_modules(_folders(module_name)))
    hint = did_you_mean(name, [*module.bindings, *submodules], f"{module_name}.")
    raise UnknownTargetError(f"{module_name} has no {name}{hint}")


def _class_member(owner: Definition, name: str) -> Found:
    if not isinstance(owner.node, ast.ClassDef):
        raise UnreadableError
    names: list[str] = []
    for definition in lineage(owner):
        bound = bindings(definition.node.body)
        if name in bound:
            found = _follow(definition.module, bound[name], frozenset())
            if isinstance(found, str) or isinstance(found.node, ast.ClassDef):
                return found
            decorators = map(last_name, found.node.decorator_list)
            return found._replace(bound="classmethod" in decorators)
        names += bound
    class_name = owner.node.name
    raise UnknownTargetError(
        f"{class_name} has no {name}{did_you_mean(name, names, f'{class_name}.')}"
    )


def _follow(module: Module, binding: Binding, seen: Names) -> Found:
    """What a name in a module stands for."""
    try:
        match binding:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                return Definition(binding, module)
            case _Import(module=origin, name=None):
                return origin
            case _Import(module=origin, name=str(name)):
                return _member(origin, name, seen)
            case ast.Name(id=name):
                return _member(module.name, name, seen)
            case ast.Attribute(value=value, attr=name):
                return _attribute(_follow(module, value, seen), name, seen)
            case ast.Subscript(value=value):  # a base class such as Sampler[int]
                return _follow(module, value, seen)
    except UnknownTargetError:  # the source says that it exists, so it is made at run time
        raise UnreadableError from None
    raise UnreadableError


def _ancestors(definition: Definition) -> Iterator[Definition | ast.expr]:
    """All base classes, depth first; as an expression where one cannot be found."""
    assert isinstance(definition.node, ast.ClassDef)
    for base in definition.node.bases:
        if last_name(base) in WITHOUT_ARGUMENTS:
            continue
        try:
            found = _follow(definition.module, base, frozenset())
        except UnreadableError:
            found = ""
        if isinstance(found, Definition) and isinstance(found.node, ast.ClassDef):
            yield found
            yield from _ancestors(found)
        else:
            yield base


def _spec(name: str) -> ModuleSpec | None:
    """Where a module lies, by asking the path finder for one part of the name after the other."""
    parent, _, last = name.rpartition(".")
    if parent:
        folders = _folders(parent)
        return PathFinder.find_spec(last, folders) if folders else None
    # the other finders know built-in modules and editable installs
    finders: list[Any] = [PathFinder, *sys.meta_path]
    return next((spec for finder in finders if (spec := finder.find_spec(name, None))), None)


def _folders(name: str) -> list[str]:
    """The folders of a package; none if `name` is a module or does not exist."""
    spec = _spec(name)
    return list(spec.submodule_search_locations or ()) if spec else []


def _module(name: str) -> Module:
    spec = _spec(name)
    if spec and spec.origin is None:  # a namespace package: a folder without __init__.py
        return Module(name, {}, (), at_run_time=False)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise UnreadableError
    is_package = spec.submodule_search_locations is not None
    return _parse(name, name if is_package else name.rpartition(".")[0], spec.origin)


@cache
def _parse(name: str, package: str, path: str) -> Module:
    source = Path(path).read_bytes()
    try:
        body = ast.parse(source).body
    except SyntaxError:  # the import will say it better
        raise UnreadableError from None
    stars = tuple(
        _origin(node, package)
        for node in _statements(body)
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"
    )
    at_run_time = any(mark in source for mark in AT_RUN_TIME)
    return Module(name, bindings(body, package), stars, at_run_time)


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module or class; of branches the main one last, so that it wins."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            for handler in getattr(node, "handlers", ()):
                yield from _statements(handler.body)
            for branch in ("orelse", "body", "finalbody"):
                yield from _statements(getattr(node, branch, ()))


def _origin(node: ast.ImportFrom, package: str) -> str:
    return resolve_name("." * node.level + (node.module or ""), package or None)
