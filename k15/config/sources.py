"""What the classes and functions of k15 and of Lightning take, read from their files.

Importing them takes seconds, too long for a typo. Plain cases alone are read: functions, the
constructor of a class or of the one it derives from, dataclasses, and names that a package imports
from its modules. Everything else, other packages first of all, is for an import to tell.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib.util import find_spec, resolve_name
from pathlib import Path

from k15.config.errors import ConfigError, did_you_mean

READ = ("k15", "lightning")
WITHOUT_CONSTRUCTOR = {"ABC", "Generic", "Iterator", "Protocol"}

Names = dict[str, str]
"""Annotation by parameter name, as it is written, empty where there is none; `**` if any other
name is taken, too.
"""


def read(target: str) -> Names | None:
    """What `package.module.Name` takes by keyword, None if only an import tells.

    Raises:
        ConfigError: there is no such module, class or function; says which is nearest.
    """
    parts = target.split(".")
    cut = next((n for n in range(len(parts), 0, -1) if _file(".".join(parts[:n]))), len(parts))
    module, names = ".".join(parts[:cut]), parts[cut:]
    file = _file(module)
    if file is None or not names:
        return None
    if not re.search(rf"\b{re.escape(names[0])}\b", file.read_text(encoding="utf-8")):
        inner = [path.stem for path in file.parent.iterdir() if file.stem == "__init__"]
        hint = did_you_mean(names[0], [*_bound(module), *inner], f"{module}.")
        raise ConfigError(f"{module} has no {names[0]}{hint}")
    return _taken(module, names[0]) if len(names) == 1 else None


def _taken(module: str, name: str) -> Names | None:
    """What is taken by the class or function of this name in a module."""
    match _bound(module).get(name):
        case (origin, known_as):
            return _taken(origin, known_as)
        case ast.FunctionDef() as function:
            return _parameters(function)
        case ast.ClassDef() as found:
            return _constructor(module, found)
    return None


def _constructor(module: str, node: ast.ClassDef) -> Names | None:
    """The constructor's own names, and those of the base classes that `**kwargs` or, without a
    constructor, everything goes to.
    """
    written = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    bases = [ast.unparse(base).partition("[")[0] for base in node.bases]
    bases = [base for base in bases if base not in WITHOUT_CONSTRUCTOR]
    if any(ast.unparse(mark).startswith("dataclass") for mark in node.decorator_list):
        return None if written or bases else _fields(node)
    names = _parameters(written[0]) if written else {"**": ""}
    names.pop("self", None)
    if names.pop("**", None) is None:
        return names
    inherited: Names = {}
    for base in bases:
        taken = _taken(module, base)
        if taken is None:
            return None
        inherited |= taken
    nobody = {"**": ""} if written and not inherited else {}
    return names | inherited | names | nobody


def _parameters(node: ast.FunctionDef) -> Names:
    arguments = [*node.args.args, *node.args.kwonlyargs]
    names = {arg.arg: ast.unparse(arg.annotation) if arg.annotation else "" for arg in arguments}
    return names | ({"**": ""} if node.args.kwarg else {})


def _fields(node: ast.ClassDef) -> Names:
    return {
        field.target.id: ast.unparse(field.annotation)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if not re.search("ClassVar|KW_ONLY|init=False", ast.unparse(field))
    }


@cache
def _bound(module: str) -> dict[str, ast.stmt | tuple[str, str]]:
    """What the names at the top of a module are: a definition, or a name in another module."""
    bound: dict[str, ast.stmt | tuple[str, str]] = {}
    file = _file(module)
    for node in ast.parse(file.read_bytes()).body if file else ():
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            bound[node.name] = node
        elif isinstance(node, ast.ImportFrom) and file:
            package = module if file.stem == "__init__" else module.rpartition(".")[0]
            origin = resolve_name("." * node.level + (node.module or ""), package)
            bound |= {alias.asname or alias.name: (origin, alias.name) for alias in node.names}
    return bound


@cache
def _file(module: str) -> Path | None:
    """Where a module lies; nothing is imported."""
    top, *inner = module.split(".")
    spec = find_spec(top) if top in READ else None
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent.joinpath(*inner)
    found = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((file for file in found if file.is_file()), None)
