"""LiveCodeBench (livecodebench.github.io): contest problems by the date of their contest.

The k1.5 report uses two windows: v4 with 2024-08 to 2024-11 for short, v5 with 2024-12 to 2025-02
for long responses.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import pickle
import zlib
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from k15.config.errors import ConfigError
from k15.evaluation.benchmarks.code import PROGRAM, CodeBenchmark
from k15.evaluation.benchmarks.records import numbered
from k15.graders.code.grader import functions
from k15.graders.code.suites import IMPORTS, Test, problem
from k15.markdown import code_block
from k15.problems.records import download, read_records
from k15.problems.rows import Row
from k15.types import Problem

STARTER = "\n\nStart from this code, and keep its names:\n\n```python\n{code}\n```"
STDIN = "\n\nThe program reads from standard input and writes to standard output."


class LiveCodeBench(CodeBenchmark):
    """Problems whose contest was between two dates."""

    groups = ("difficulty", "platform")
    instructions: ClassVar[dict[str, str]] = dict(PROGRAM)
    NEEDED = (
        "the fields question_id, question_content, contest_date, starter_code, "
        "public_test_cases, private_test_cases, metadata (test*.jsonl of the data set)"
    )

    def __init__(
        self, path: str, *, name: str, files: Sequence[str], first: str, last: str, **code: Any
    ) -> None:
        """Read nothing yet.

        Args:
            path: a file, a folder with `files`, or the data set on the hub.
            name: as it stands in tables.
            files: those of the release: version 4 has four, version 5 one more.
            first: the first day of the window, as 2024-08-01.
            last: its last day.
            code: of `CodeBenchmark`.
        """
        self.name = name
        super().__init__(path, **code)
        self.files, self.first, self.last = tuple(files), self._day(first), self._day(last)

    def rows(self) -> Iterator[Row]:
        """Of all files."""
        setting = f"benchmark.{self.name}.path"
        files = self._files(setting)
        read = (read_records(str(file), self.split, self.fields, setting=setting) for file in files)
        return numbered(chain.from_iterable(read))

    def problem(self, row: Row) -> Problem | None:
        """Statement with starter code, and all tests; None outside the window."""
        try:
            day = date.fromisoformat(row.text("contest_date")[:10])
        except ValueError:
            raise row.fault("contest_date", "must be a date such as 2024-08-01") from None
        if not self.first <= day <= self.last:
            return None
        return self.converted(row, lambda _: as_problem(row, day), ("question_content",))

    def program(self, problem: Problem, response: str) -> str | None:
        """The last fenced block (that defines the function), or all of a response without one."""
        return code_block(response, require_fence=False, names=functions(problem))

    def _files(self, setting: str) -> list[Path]:
        path = Path(self.path)
        if path.is_file():
            return [path]
        if path.is_dir():
            return [path / file for file in self.files]
        return [
            download(self.path, file, setting=setting, wanted=self.NEEDED) for file in self.files
        ]

    def _day(self, text: str) -> date:
        try:
            return date.fromisoformat(str(text))
        except ValueError as error:
            raise ConfigError(
                f"benchmark {self.name}: {text!r} is no day such as 2024-08-01"
            ) from error


def as_problem(row: Row, day: date) -> Problem:
    """A row with all its tests."""
    starter = row.verbatim("starter_code") if row.get("starter_code") else ""
    metadata = row.get("metadata") or "{}"
    metadata = json.loads(metadata) if isinstance(metadata, str) else metadata
    tests = unpacked(row.get("public_test_cases")) + unpacked(row.get("private_test_cases"))
    made = problem(
        row.answer("question_id"),
        row.text("question_content") + (STARTER.format(code=starter) if starter else STDIN),
        [as_test(t, metadata.get("func_name")) for t in tests if says_something(t)],
    )
    named = {key: row.get(key) for key in LiveCodeBench.groups}
    meta = {**made.meta, **named, "contest_date": day.isoformat()}
    return Problem(
        id=made.id, prompt=made.prompt, answer=None, domain="code", tests=made.tests, meta=meta
    )


def as_test(test: dict[str, Any], function: str | None) -> Test:
    """A test as the judge takes it; numbers are compared by value, as the official scorer does."""
    given, wanted = test["input"], test["output"]
    if test.get("testtype") != "functional":
        exact = {"comparison": "float", "tolerance": 0.0, "prelude": IMPORTS}
        return {"type": "stdin", "input": given, "output": wanted, **exact}
    if not function:
        raise ConfigError("metadata has no func_name, and a test calls a function")
    arguments = [json.loads(line) for line in given.split("\n") if line.strip()]
    call = {"type": "call", "function": function, "arguments": arguments}
    return {**call, "output": json.loads(wanted), "prelude": IMPORTS}


def says_something(test: dict[str, Any]) -> bool:
    """Whether a program that prints nothing fails the test."""
    return test.get("testtype") == "functional" or bool(test["output"].strip())


def unpacked(tests: Any) -> list[dict[str, Any]]:
    """Test cases, which a row holds as JSON, or as base64 of zlib of a pickled JSON text."""
    if tests is None:
        return []
    if not isinstance(tests, str):
        return list(tests)
    try:
        return json.loads(tests)
    except json.JSONDecodeError:
        try:
            return json.loads(Texts(io.BytesIO(zlib.decompress(base64.b64decode(tests)))).load())
        except (binascii.Error, zlib.error, pickle.UnpicklingError, TypeError) as error:
            raise ConfigError(f"test cases are neither JSON nor packed JSON: {error}") from error


class Texts(pickle.Unpickler):
    """Reads plain values alone: a data set has no business running code."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse every class and function."""
        raise pickle.UnpicklingError(f"it names {module}.{name}")
