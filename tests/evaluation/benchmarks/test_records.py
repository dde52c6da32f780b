"""Rows of a benchmark's source: parts under several names, numbers as answers, faults by place."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from k15.evaluation.benchmarks.math import MathBenchmark


def source(folder: Path, *rows: Any, **settings: Any) -> MathBenchmark:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return MathBenchmark(str(file), name="mine", **settings)


def test_records_become_problems_whatever_they_call_their_parts(tmp_path: Path) -> None:
    rows = [{"question": "1+1?", "golden": 2.0}, {"problem": "2+2?", "answer": "4", "id": 7}]
    one, two = source(tmp_path, *rows).problems()
    assert (one.id, one.answer, one.prompt[0]["content"]) == ("0", "2", "1+1?")
    assert (two.id, two.answer) == ("7", "4")


def test_own_names_of_parts(tmp_path: Path) -> None:
    row = {"text": "1+1?", "solution": "2", "answer": "see above"}
    named = {"problem": "text", "answer": "solution"}
    [problem] = source(tmp_path, row, fields=named).problems()
    assert problem.answer == "2"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"problem": "x"}, "rows.jsonl:2: no field 'answer' or 'golden' or 'Answer'; the record"),
        (
            {"problem": "x", "answer": ["1"]},
            "2: field 'answer' must be text or a number, got ['1']",
        ),
        ({"problem": "x", "answer": True}, "2: field 'answer' must be text or a number, got True"),
        ({"problem": "x", "answer": " "}, "2: field 'answer' must be text or a number, got ' '"),
        ({"problem": 5, "answer": "1"}, "2: field 'problem' must be text, got 5"),
        ({"problem": "x", "answer": "1", "id": 0}, "2: the id '0' is already that of "),
    ],
)
def test_rows_that_cannot_be_used_are_refused_by_line_and_field(
    tmp_path: Path, row: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        source(tmp_path, {"problem": "1+1?", "answer": "2"}, row).problems()
