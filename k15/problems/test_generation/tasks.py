"""Problems that are to get tests, from records: a statement, and programs that solve it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from k15.graders.code import suites
from k15.problems.records import read_records
from k15.problems.rows import Names, Row, renamed
from k15.problems.test_generation.observing import Interface
from k15.types import Problem

FIELDS: Names = {
    "id": ("id", "task_id", "problem_id"),
    "problem": ("problem", "question", "prompt", "description"),
    "programs": ("programs", "accepted_solutions", "solutions"),
    "function": ("function", "fn_name", "entry_point"),
    "examples": ("examples",),
    "prelude": ("prelude",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A problem that is to get tests."""

    problem: Problem
    interface: Interface
    programs: Sequence[str]
    """Accepted ones in Python; the first 10 of them vote."""
    examples: Sequence[Any] = ()
    """Inputs that are known: texts, or of a function lists of arguments."""


def read_tasks(path: str, fields: Mapping[str, str] | None = None) -> list[Task]:
    """The tasks of a file or data set: records of APPS, or with the fields of `FIELDS`.

    Raises ValueError with place and field for a record that cannot be used.
    """
    return [task_of(row) for row in read_records(path, "train", renamed(FIELDS, fields))]


def task_of(row: Row) -> Task:
    """One record; raises ValueError with place and field."""
    programs = row.texts("programs")
    if row.record.get("input_output") is not None:
        return of_problem(suites.apps(row.record), programs)
    function = None if row.get("function") is None else row.text("function")
    problem = suites.problem(row.identity(row.place), row.text("problem"), [])
    examples = row.get("examples") or ()
    if not isinstance(examples, list | tuple):
        raise row.fault("examples", "must be a list")
    prelude = "" if row.get("prelude") is None else row.verbatim("prelude")
    interface = Interface(function=function, prelude=prelude)
    return Task(problem=problem, interface=interface, programs=programs, examples=examples)


def of_problem(problem: Problem, programs: Sequence[str]) -> Task:
    """A problem that has tests of one kind: their inputs are examples."""
    calls = [test for test in problem.tests if test["type"] == "call"]
    texts = [test["input"] for test in problem.tests if test["type"] == "stdin"]
    first = problem.tests[0] if problem.tests else {}
    interface = Interface(
        function=calls[0]["function"] if calls else None, prelude=first.get("prelude", "")
    )
    examples = [test["arguments"] for test in calls] or texts
    return Task(problem=problem, interface=interface, programs=programs, examples=examples)
