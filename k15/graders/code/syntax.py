"""What can be read off the syntax tree of a test."""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from typing import TypeGuard

REFLEXIVE = (ast.Eq, ast.Is, ast.LtE, ast.GtE)
"""Comparisons that hold between a thing and itself."""
Function = ast.FunctionDef | ast.AsyncFunctionDef
PARSING = threading.RLock()


def parsed(code: str) -> ast.Module:
    """The tree of a program, in one thread at a time.

    CPython 3.11 counts the depth of the tree that it builds for all threads together, so that two
    of them fail now and then: `SystemError: AST constructor recursion depth mismatch`.

    Raises:
        SyntaxError: it is no Python (also ValueError, RecursionError, MemoryError, as `ast.parse`).
    """
    with PARSING:
        return ast.parse(code)


def bound(tree: ast.AST) -> set[str]:
    """Every name that an assignment, import, definition or parameter binds, in any scope."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, Function | ast.ClassDef | ast.ExceptHandler):
            found.add(node.name or "")
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.MatchAs | ast.MatchStar | ast.MatchMapping):
            found.add(getattr(node, "name", None) or getattr(node, "rest", None) or "")
    return found


def running(tree: ast.Module) -> set[str]:
    """Names of the functions and methods that the module's statements may lead to."""
    definitions: dict[str, list[ast.AST]] = {}
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef):
            definitions.setdefault(node.name, []).append(node)
    if names_read(tree) & {"globals", "locals", "vars"}:  # which find functions by themselves
        return {*definitions}
    found: set[str] = set()
    ahead: list[ast.AST] = [tree]
    while ahead:
        for node in statements(ahead.pop()):
            name = node.name if isinstance(node, Function) else name_of(node)
            if name in definitions and name not in found:
                found.add(name)
                ahead += definitions[name]
    return found


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """What runs with a node: nothing of the functions that it defines; all methods of a class."""
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.ClassDef) or not isinstance(child, Function | ast.ClassDef):
            yield child
            yield from statements(child)


def imported(tree: ast.Module) -> set[str]:
    """The modules that have to be there."""
    names = [
        alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names
    ]
    names += [node.module or "." for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def caught_names(tree: ast.Module) -> set[str]:
    """Of exceptions in `except` clauses."""
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    return {name for handler in handlers if handler.type for name in names_read(handler.type)}


def own_names(tree: ast.Module) -> set[str]:
    """What the module's own statements bind: its globals."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign):
            found |= bound(node)
    return found


def name_of(node: ast.AST) -> str:
    """Of a name or an attribute."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def targets(node: ast.AST) -> set[str]:
    """The names and attributes that are assigned to below a node; of `a[b]` it is `a`."""
    return {
        name_of(holder(part))
        for part in ast.walk(node)
        if isinstance(part, ast.Name | ast.Attribute | ast.Subscript)
        and isinstance(part.ctx, ast.Store)
    }


def receivers(node: ast.AST) -> set[str]:
    """What methods are called of for their effect alone, below a node: `a` of `a.append(b)`."""
    calls = [part.value for part in ast.walk(node) if isinstance(part, ast.Expr)]
    return {
        name_of(holder(call.func.value))
        for call in calls
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
    }


def holder(node: ast.AST) -> ast.AST:
    """`a` of `a[b][c]`."""
    return holder(node.value) if isinstance(node, ast.Subscript) else node


def names_read(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if is_read(part)}


def is_read(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def is_assertion(node: ast.AST) -> bool:
    """`self.assertEqual(...)` of unittest, and the like."""
    return isinstance(node, ast.Call) and name_of(node.func).startswith("assert")


def is_constant(node: ast.AST) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def is_true(condition: ast.expr) -> bool:
    """Whether it holds whatever its names stand for."""
    if isinstance(condition, ast.BoolOp):
        parts = map(is_true, condition.values)
        return any(parts) if isinstance(condition.op, ast.Or) else all(parts)
    if isinstance(condition, ast.Compare):
        sides = [ast.dump(side) for side in (condition.left, *condition.comparators)]
        return len(set(sides)) == 1 and all(isinstance(op, REFLEXIVE) for op in condition.ops)
    if isinstance(condition, ast.Tuple | ast.List | ast.Set):
        return bool(condition.elts)
    if isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not):
        return is_false(condition.operand)
    return isinstance(condition, ast.Lambda) or (
        isinstance(condition, ast.Constant) and bool(condition.value)
    )


def is_false(condition: ast.expr) -> bool:
    return is_constant(condition) and not ast.literal_eval(condition)


def fails(node: ast.AST) -> bool:
    """Whether a statement raises, or asserts what is false."""
    return any(
        isinstance(part, ast.Raise)
        or (isinstance(part, ast.Assert) and is_false(part.test))
        or (isinstance(part, ast.Call) and name_of(part.func) in ("exit", "quit", "_exit", "fail"))
        for part in ast.walk(node)
    )


def leaves(statement: ast.stmt) -> bool:
    """Whether nothing behind it in its block runs."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Call) and fails(statement)
    return isinstance(statement, ast.Return | ast.Continue | ast.Break | ast.Raise)


def hides_errors(node: ast.AST) -> TypeGuard[ast.Try | ast.With]:
    """Whether what is asserted in its body may fail without ending the test."""
    if isinstance(node, ast.Try):
        return any(not any(map(fails, handler.body)) for handler in node.handlers)
    return isinstance(node, ast.With) and any(
        isinstance(item.context_expr, ast.Call)
        and name_of(item.context_expr.func) in ("suppress", "raises", "assertRaises")
        for item in node.items
    )
