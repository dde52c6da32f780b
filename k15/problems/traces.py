"""Traces of a teacher from a file: questions with answers, what it thought and what it said."""

from __future__ import annotations

from typing import ClassVar

from k15.problems.pools import Entry
from k15.problems.record_source import RecordSource
from k15.problems.rows import Names, Row
from k15.problems.sources import NoDemonstration
from k15.questions import Split
from k15.types import Problem

THOUGHT = "<think>\n{thinking}\n</think>\n\n{response}"
"""As R1 writes it, and what is trained on its traces."""


class TraceSource(RecordSource):
    """Problems whose demonstrations are a teacher's responses, as they are written.

    A response holds its thoughts (`<think>...</think>`), or `thinking` is a field of its own. The
    answer is the reference that a verifier compares with: not the teacher's word.
    """

    FIELDS: ClassVar[Names] = {
        **RecordSource.FIELDS,
        "response": ("response", "completion", "generation", "output"),
        "thinking": ("thinking", "reasoning", "reasoning_content"),
    }

    def entry(self, row: Row) -> Entry:
        """As of any problem, with its trace; one that has none is left out of what is learned."""
        entry = super().entry(row)
        if row.get("response") is not None:
            entry.problem.meta["trace"] = trace(row)  # type: ignore[index]
        return entry

    def demonstration(self, index: int, split: Split = "train") -> tuple[Problem, str]:
        """A problem with its trace; raises NoDemonstration if it has none."""
        problem = self.drawn(index, split)
        if "trace" not in problem.meta:
            where = problem.meta["place"]
            raise NoDemonstration(
                problem, f"{where} has no response: data.fields.response=... names its field"
            )
        return problem, problem.meta["trace"]


def trace(row: Row) -> str:
    """What the teacher thought and said; ValueError with place and field if it is no text."""
    response = row.text("response")
    if row.get("thinking") is None:
        return response
    return THOUGHT.format(thinking=row.text("thinking"), response=response)
