"""A teacher's traces: with thoughts inside or beside, and rows that have none."""

import json
from pathlib import Path

import pytest

from k15.config import ConfigError
from k15.problems.sources import NoDemonstration
from k15.problems.traces import TraceSource

ROWS = [
    {"problem": "1+1?", "response": "<think>\n1, 2.\n#### no\n</think>\n\\boxed{2}", "answer": 2},
    {"problem": "1+2?", "reasoning": "1, 2, 3.", "response": "\\boxed{3}", "answer": "3"},
    {"problem": "2+2?", "response": "\\boxed{5}", "solution": "It is \\boxed{4}."},
    {"problem": "2+3?", "answer": 5},
]


def source(folder: Path, rows: list[dict] = ROWS) -> TraceSource:
    (folder / "traces.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    other = [{"problem": "9+9?", "answer": 18, "response": "\\boxed{18}"}]
    (folder / "others.jsonl").write_text(json.dumps(other[0]) + "\n")
    held_out = str(folder / "others.jsonl")
    return TraceSource(str(folder / "traces.jsonl"), held_out_path=held_out, instruction="Box it.")


def test_the_trace_is_the_teachers_and_the_answer_the_records(tmp_path: Path) -> None:
    found = source(tmp_path)
    shown = [found.demonstration(index) for index in range(3)]
    assert [trace for _, trace in shown] == [
        ROWS[0]["response"],
        "<think>\n1, 2, 3.\n</think>\n\n\\boxed{3}",
        "\\boxed{5}",
    ]
    assert [problem.answer for problem, _ in shown] == ["2", "3", "4"]
    assert shown[0][0].prompt[0]["content"] == "1+1?\nBox it."


def test_rows_without_a_trace_or_an_answer_are_named(tmp_path: Path) -> None:
    with pytest.raises(NoDemonstration, match=r"traces\.jsonl:4 has no response: data\.fields\."):
        source(tmp_path).demonstration(3)
    with pytest.raises(ConfigError, match=r"traces\.jsonl:1: no field 'answer'"):
        source(tmp_path, [{"problem": "1+1?", "response": "2"}])
    with pytest.raises(ConfigError, match=r"traces\.jsonl:1: field 'response' must be text, got 2"):
        source(tmp_path, [{"problem": "1+1?", "response": 2, "answer": 2}])
