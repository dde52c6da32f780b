"""Whether a test of asserts says something about a program: read from its source, nothing is run.

    a name is taken from nowhere                     no program wins it
    no assert depends on what the program returns    every program wins it
    a lambda is handed to the program                it cannot cross to the program's process

"Depends on" follows values by name, through assignments, loops, parameters and helper functions; it
errs on the side of following too many.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from typing import TypeGuard

BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__"}
MERE_LOOKS = frozenset(
    ("callable", "hasattr", "isinstance", "issubclass", "type", "id", "repr", "str", "bool", "hash")
)
"""Builtin functions that do not call the function which they are given."""
Binder = ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr | ast.For | ast.comprehension
Function = ast.FunctionDef | ast.AsyncFunctionDef


@lru_cache(maxsize=2**14)
def fault(code: str, prelude: str, entry_points: tuple[str, ...]) -> str:
    """Why a test is not worth running; empty if it is."""
    if not entry_points:
        return "entry_point names no function of the program"
    tree = ast.parse(code)
    if missing := unknown_names(tree, {*bound(ast.parse(prelude)), *entry_points}):
        return f"{', '.join(sorted(missing))}: neither imported nor defined by code or prelude"
    if redefined := sorted({*entry_points} & own_names(tree)):
        return f"it defines {', '.join(redefined)} itself"
    if any(isinstance(node, ast.Assert) and is_false(node.test) for node in tree.body):
        return "an assert of it always fails"
    trail = Trail(tree, entry_points)
    if handed := trail.functions_handed_over():
        return f"it hands a function to the program: {handed}"
    if not any(trail.decisive(tree)):
        return f"no assert of it depends on what {' or '.join(entry_points)} returns"
    return ""


@lru_cache(maxsize=2**14)
def changes_arguments(code: str, entry_points: tuple[str, ...]) -> bool:
    """See `Trail.changes_arguments`."""
    return Trail(ast.parse(code), entry_points).changes_arguments()


def unknown_names(tree: ast.Module, known: Collection[str]) -> set[str]:
    """Names that are read, and that nothing binds; none where an import is of `*`."""
    names = bound(tree)
    if "*" in names or "*" in known:
        return set()
    read = {node.id for node in ast.walk(tree) if is_read(node)}
    return read - names - BUILTINS - set(known)


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


def own_names(tree: ast.Module) -> set[str]:
    """What the module's own statements bind: its globals."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.AnnAssign):
            found |= bound(node)
    return found


class Trail:
    """Follows the program's functions and what they return through a test."""

    def __init__(self, tree: ast.Module, entry_points: Sequence[str]) -> None:
        self.tree = tree
        self.helpers = {n.name for n in ast.walk(tree) if isinstance(n, Function | ast.ClassDef)}
        self.functions = set(entry_points)
        """Names that stand for a function of the program, or call one."""
        self.results: set[str] = set()
        """Names that stand for what one returned; attributes are known by their names, too."""
        before = -1
        while before < (before := len(self.functions) + len(self.results)):
            for node in ast.walk(tree):
                self._follow(node)

    def asks(self, node: ast.AST) -> bool:
        """Whether an expression holds a call of the program, or what one returned."""
        return any(
            name_of(part) in self.results or (isinstance(part, ast.Call) and self._calls(part))
            for part in ast.walk(node)
        )

    def decisive(self, node: ast.AST) -> Iterator[ast.AST]:
        """The statements that end the test by what the program returned."""
        if self._decides(node):
            yield node
        hidden = node.body if hides_errors(node) else []
        for child in ast.iter_child_nodes(node):
            if child not in hidden:
                yield from self.decisive(child)

    def _decides(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Assert):
            return self.asks(node.test) and not is_true(node.test)
        if isinstance(node, ast.If | ast.While):
            return self.asks(node.test) and ends(node)
        if isinstance(node, ast.Call):
            return is_assertion_method(node.func) and self.asks(node)
        return isinstance(node, ast.Try) and self._expects_an_exception(node)

    def functions_handed_over(self) -> str:
        """An argument of the program's that is a function of the test."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and name_of(node.func) in self.functions - self.helpers:
                for given in (*node.args, *(keyword.value for keyword in node.keywords)):
                    lost = isinstance(given, ast.Lambda | ast.GeneratorExp)
                    if lost or (isinstance(given, ast.Name) and given.id in self.helpers):
                        return ast.unparse(given)
        return ""

    def changes_arguments(self) -> bool:
        """Whether arguments may change in place although their function returns something.

        Not if the test computes with one: `assert f(xs) == sorted(xs)` would be won by emptying xs
        and returning it. It may compare one with a constant: `assert f(xs) == 2 and xs == [1, 2]`.
        """
        calls = [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call) and name_of(node.func) in self.functions - self.helpers
        ]
        handed = {name for call in calls for given in call.args for name in names_read(given)}
        harmless = {id(n) for call in calls for given in call.args for n in ast.walk(given)}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Compare) and any(
                is_constant(side) for side in (node.left, *node.comparators)
            ):
                harmless.update(id(part) for part in ast.walk(node))
        return not any(
            is_read(node) and node.id in handed and id(node) not in harmless
            for node in ast.walk(self.tree)
        )

    def _calls(self, call: ast.Call) -> bool:
        """Whether it is a call of the program: by name, through a helper, or by a `map` of it."""
        if name_of(call.func) in self.functions:
            return True
        given = (*call.args, *(keyword.value for keyword in call.keywords))
        return name_of(call.func) not in MERE_LOOKS and any(
            name_of(part) in self.functions for value in given for part in ast.walk(value)
        )

    def _follow(self, node: ast.AST) -> None:
        if isinstance(node, Binder):
            self._bind(node)
        elif isinstance(node, ast.With):
            for item in node.items:
                if item.optional_vars and self.asks(item.context_expr):
                    self.results |= targets(item.optional_vars)
        elif isinstance(node, Function | ast.ClassDef):
            if any(name_of(part) in self.functions for part in ast.walk(node)):
                self.functions.add(node.name)
        elif isinstance(node, ast.Call) and name_of(node.func) in self.helpers:
            self._pass_on(node)
        elif isinstance(node, ast.If | ast.Try):
            asked = [node.test] if isinstance(node, ast.If) else node.body
            if any(map(self.asks, asked)):
                self.results |= targets(node)
        elif isinstance(node, ast.Match) and self.asks(node.subject):
            self.results |= bound(node)

    def _bind(self, node: Binder) -> None:
        value = node.iter if isinstance(node, ast.For | ast.comprehension) else node.value
        if value is None:
            return
        if self.asks(value):
            self.results |= targets(node)
        elif any(name_of(part) in self.functions for part in ast.walk(value)):
            self.functions |= targets(node)

    def _pass_on(self, call: ast.Call) -> None:
        """To the parameters of the test's functions: of all, as methods hide which one it is."""
        given = (*call.args, *(keyword.value for keyword in call.keywords))
        parameters = {n.arg for n in ast.walk(self.tree) if isinstance(n, ast.arg)}
        if any(name_of(part) in self.functions for value in given for part in ast.walk(value)):
            self.functions |= parameters
        if any(map(self.asks, given)):
            self.results |= parameters

    def _expects_an_exception(self, node: ast.Try) -> bool:
        """`try: f(-1)`, and an error where that raises none."""
        after = (*node.body, *node.orelse)
        return any(map(self.asks, node.body)) and any(fails(part) for part in after)


def name_of(node: ast.AST) -> str:
    """Of a name or an attribute."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def targets(node: ast.AST) -> set[str]:
    """The names and attributes that are assigned to below a node."""
    return {
        name_of(part)
        for part in ast.walk(node)
        if isinstance(part, ast.Name | ast.Attribute) and isinstance(part.ctx, ast.Store)
    }


def names_read(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if is_read(part)}


def is_read(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def is_assertion_method(function: ast.AST) -> bool:
    """`self.assertEqual` of unittest, and the like."""
    return isinstance(function, ast.Attribute) and function.attr.startswith("assert")


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
        same = (ast.Eq, ast.Is, ast.LtE, ast.GtE)
        return len(set(sides)) == 1 and all(isinstance(op, same) for op in condition.ops)
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


def ends(node: ast.If | ast.While) -> bool:
    """Whether one of its branches ends the test."""
    return any(fails(part) for part in (*node.body, *node.orelse))


def hides_errors(node: ast.AST) -> TypeGuard[ast.Try | ast.With]:
    """Whether what is asserted in its body may fail without ending the test."""
    if isinstance(node, ast.Try):
        return any(not any(map(fails, handler.body)) for handler in node.handlers)
    return isinstance(node, ast.With) and any(
        isinstance(item.context_expr, ast.Call)
        and name_of(item.context_expr.func) in ("suppress", "raises", "assertRaises")
        for item in node.items
    )
