"""Whether a test of asserts says something about a program: read from its source, nothing is run.

    a name is taken from nowhere                     no program wins it
    no assert depends on what the program returns    every program wins it
    an exception or None leads past all asserts      so does one that raises, or returns nothing
    a lambda is handed to the program                it cannot cross to the program's process

"Depends on" follows values by name, through assignments, loops, parameters and helper functions; it
errs on the side of following too many.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache

from k15.graders.code.syntax import (
    REFLEXIVE,
    Function,
    bound,
    caught_names,
    fails,
    hides_errors,
    imported,
    is_assertion,
    is_constant,
    is_false,
    is_read,
    is_true,
    leaves,
    name_of,
    names_read,
    own_names,
    parsed,
    receivers,
    running,
    targets,
)

BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__"}
MERE_LOOKS = frozenset(
    ("callable", "hasattr", "isinstance", "issubclass", "type", "id", "repr", "str", "bool", "hash")
)
"""Builtin functions that do not call the function which they are given."""
NAN = re.compile(r"\b(?:is)?nan\b", re.IGNORECASE)
Binder = ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr | ast.For | ast.comprehension


@lru_cache(maxsize=2**14)
def fault(code: str, prelude: str, entry_points: tuple[str, ...]) -> str:
    """Why a test is not worth running; empty if it is."""
    if not entry_points:
        return "entry_point names no function of the program"
    tree = parsed(code)
    if foreign := imported(tree) - sys.stdlib_module_names:
        return (
            f"it imports {', '.join(sorted(foreign))}: the sandbox has the standard library alone"
        )
    if missing := unknown_names(tree, {*bound(parsed(prelude)), *entry_points}):
        return f"{', '.join(sorted(missing))}: neither imported nor defined by code or prelude"
    if redefined := sorted({*entry_points} & own_names(tree)):
        return f"it defines {', '.join(redefined)} itself"
    if any(isinstance(node, ast.Assert) and is_false(node.test) for node in tree.body):
        return "an assert of it always fails"
    if caught := {name for name in caught_names(tree) if name in entry_points}:
        return f"it catches {', '.join(caught)}: the program's errors cross as builtin ones"
    trail = Trail(tree, entry_points)
    if handed := trail.functions_handed_over():
        return f"it hands a function to the program: {handed}"
    if not any(trail.decisive(tree.body)):
        return f"no assert of it depends on what {' or '.join(entry_points)} returns"
    return ""


@lru_cache(maxsize=2**14)
def changes_arguments(code: str, entry_points: tuple[str, ...]) -> bool:
    """See `Trail.changes_arguments`."""
    return Trail(parsed(code), entry_points).changes_arguments()


def mentions_nan(code: str) -> bool:
    """Whether a test counts with values that are not a number. Else one loses: it is neither
    greater nor less than anything, so that `if abs(f(x) - 2) > 1e-6: raise` would let it pass.
    """
    return NAN.search(code) is not None


def unknown_names(tree: ast.Module, known: Collection[str]) -> set[str]:
    """Names that are read, and that nothing binds; none where an import is of `*`."""
    names = bound(tree)
    if "*" in names or "*" in known:
        return set()
    read = {node.id for node in ast.walk(tree) if is_read(node)}
    return read - names - BUILTINS - set(known)


class Trail:
    """Follows the program's functions and what they return through a test."""

    def __init__(self, tree: ast.Module, entry_points: Sequence[str]) -> None:
        self.tree = tree
        self.helpers = {n.name for n in ast.walk(tree) if isinstance(n, Function | ast.ClassDef)}
        self.functions = set(entry_points)
        """Names that stand for a function of the program, or call one."""
        self.results: set[str] = set()
        """Names that stand for what one returned; attributes are known by their names, too."""
        self.handed: set[str] = set()
        """Names of arguments, which one may have changed in place."""
        before = -1
        while before < (before := len(self.functions) + len(self.results)):
            for node in ast.walk(tree):
                self._follow(node)
        self.running = running(tree)

    def asks(self, node: ast.AST) -> bool:
        """Whether an expression holds a call of the program, or what one returned."""
        return any(
            name_of(part) in self.results or (isinstance(part, ast.Call) and self._calls(part))
            for part in ast.walk(node)
        )

    def decisive(self, block: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
        """The statements that end the test by what the program returned, and that it cannot skip
        by raising an exception or returning None.
        """
        for number, statement in enumerate(block):
            if self._decides(statement):
                yield statement
            for inner in self._certain(statement):
                yield from self.decisive(inner)
            if leaves(statement):
                return
            if self._may_leave(statement):
                yield from filter(fails, block[number + 1 :])
                return

    def _certain(self, node: ast.stmt) -> list[list[ast.stmt]]:
        """The blocks of a statement that run whatever the program returns or raises."""
        if isinstance(node, Function):
            return [node.body] if node.name in self.running else []
        if isinstance(node, ast.ClassDef):
            return [node.body]
        if isinstance(node, ast.If | ast.While | ast.For):
            return self._branches(node)
        if isinstance(node, ast.Try):
            hidden = hides_errors(node) and any(map(self.asks, node.body))
            return [node.finalbody] if hidden else [node.body, node.orelse, node.finalbody]
        if isinstance(node, ast.With | ast.AsyncWith):
            return [] if hides_errors(node) else [node.body]
        return [case.body for case in node.cases] if isinstance(node, ast.Match) else []

    def _branches(self, node: ast.If | ast.While | ast.For) -> list[list[ast.stmt]]:
        condition = node.iter if isinstance(node, ast.For) else node.test
        if is_false(condition):
            return [node.orelse]
        if isinstance(node, ast.For) or not self.asks(condition):
            return [node.body, node.orelse]
        both = all(any(self.decisive(branch)) for branch in (node.body, node.orelse))
        return [node.body] if both else []

    def _may_leave(self, node: ast.stmt) -> bool:
        """Whether the program can end the block here, by what it returns or raises."""
        asked: Sequence[ast.AST] = []
        ways: list[ast.stmt] = []
        if isinstance(node, ast.If):
            asked, ways = [node.test], [*node.body, *node.orelse]
        elif isinstance(node, ast.Try):
            asked, ways = node.body, [part for handler in node.handlers for part in handler.body]
        return any(map(self.asks, asked)) and any(leaves(w) and not fails(w) for w in ways)

    def _decides(self, node: ast.stmt) -> bool:
        if isinstance(node, ast.Assert):
            asks = self.asks(node.test) or names_read(node.test) & self.handed
            return bool(asks) and not self._fulfils_itself(node.test)
        if isinstance(node, ast.If | ast.While):
            return self.asks(node.test) and any(map(fails, (*node.body, *node.orelse)))
        if isinstance(node, ast.Match):
            return self.asks(node.subject) and any(map(fails, node.cases))
        if isinstance(node, ast.Expr):
            return is_assertion(node.value) and self.asks(node.value)
        return isinstance(node, ast.Try) and self._expects_an_exception(node)

    def _fulfils_itself(self, condition: ast.expr) -> bool:
        """Whether it compares what the program returned, or changed, with nothing else."""
        if isinstance(condition, ast.BoolOp):
            parts = map(self._fulfils_itself, condition.values)
            return any(parts) if isinstance(condition.op, ast.Or) else all(parts)
        if isinstance(condition, ast.Compare) and isinstance(condition.ops[0], REFLEXIVE):
            sides = (condition.left, *condition.comparators)
            own = [names_read(side) - BUILTINS for side in sides]
            shared = set.intersection(*own)
            changed = shared and set.union(*own) <= self.handed
            returned = shared and all(map(self.asks, sides))
            return bool(changed or returned) or is_true(condition)
        return is_true(condition)

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
        if any(name_of(part) in self.functions for part in ast.walk(call.func)):
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
        elif isinstance(node, ast.Call):
            if name_of(node.func) in self.helpers:
                self._pass_on(node)
            elif name_of(node.func) in self.functions:  # which may change its arguments in place
                given = {name for value in node.args for name in names_read(value)}
                self.handed |= given - self.functions - self.results
        elif isinstance(node, ast.If | ast.Try):
            asked = [node.test] if isinstance(node, ast.If) else node.body
            if any(map(self.asks, asked)):
                self.results |= targets(node) | receivers(node)
        elif isinstance(node, ast.Expr) and not is_assertion(node.value) and self.asks(node.value):
            self.results |= receivers(node)
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
