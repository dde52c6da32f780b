"""Rows of a source: parts under several names, and faults by place, field and way out."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from k15.evaluation.benchmarks.math import MathBenchmark
from k15.problems.record_source import RecordSource
from k15.problems.rows import Row, renamed

GOLDS = [
    '["4"]', "[4]", '[["4"]]', '{"value": "4"}', "NaN", "Infinity", "-Infinity", "1e400", "false",
    "true", "null", '""', '" "', r'"\ud800"', r'"4\u0000"', "9" * 5000,
]  # fmt: skip
QUESTIONS = [
    "7", "[]", '[{"role": "user", "content": "1+1?"}]', '{"text": "1+1?"}', "null", r'"\udfff"'
]  # fmt: skip
LINES = [
    *(("answer", f'{{"problem": "1+1?", "answer": {gold}}}') for gold in GOLDS),
    *(("problem", f'{{"problem": {question}, "answer": "2"}}') for question in QUESTIONS),
    *(("id", f'{{"id": {id}, "problem": "?", "answer": "2"}}') for id in ('""', "[1]", "NaN")),
]


@pytest.mark.parametrize(("part", "line"), LINES)
def test_training_and_evaluation_refuse_the_same_records(
    tmp_path: Path, part: str, line: str
) -> None:
    """In one line that names file, line, field and way out."""
    file = tmp_path / "rows.jsonl"
    file.write_text(f'{{"problem": "0+0?", "answer": 0}}\n{line}\n')
    for read, owner in (
        (lambda: RecordSource(str(file)), "data"),
        (lambda: MathBenchmark(str(file), name="mine").problems(), "benchmark.mine"),
    ):
        with pytest.raises(ValueError) as caught:
            read()
        [message] = str(caught.value).splitlines()
        assert message.startswith(f"{file}:2: ") and len(message) < 400
        if "digits" not in message:
            assert re.search(rf"field '{part}' (must|holds)", message)
            assert message.endswith(f"{owner}.fields.{part}=<name>")


def test_numbers_are_golds_and_ids_in_both(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    golds: list[Any] = [4, 4.0, 0.5, "4.0"]
    lines = [{"id": n, "problem": f"{n}?", "answer": gold} for n, gold in enumerate(golds)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    other = tmp_path / "other.jsonl"
    other.write_text('{"problem": "other?", "answer": "2"}\n')
    source = RecordSource(str(file), held_out_path=str(other))
    for problems in (source.train, MathBenchmark(str(file), name="mine").problems()):
        assert [problem.answer for problem in problems] == ["4", "4", "0.5", "4.0"]
        assert [problem.id for problem in problems] == ["0", "1", "2", "3"]


def test_the_first_name_that_has_a_value_counts() -> None:
    row = Row("here", {"golden": None, "Answer": "2"}, {"answer": ("answer", "golden", "Answer")})
    assert row.answer() == "2"
    with pytest.raises(ValueError, match="here: field 'golden' must be text or a number, got None"):
        Row("here", {"golden": None}, row.names).answer()


def test_own_names_take_the_place_of_all_others() -> None:
    names = renamed({"answer": ("answer", "golden"), "level": ("level",)}, {"answer": "gold"})
    assert names == {"answer": ("gold",), "level": ("level",)}
    assert Row("here", {"level": 3}, renamed(names, {"level": None})).level() is None


def test_a_list_of_texts_may_hold_numbers_but_no_lists() -> None:
    row = Row("here", {"a": ["x", 2, " y"], "b": [["x"]], "c": "x", "d": ["x", None]})
    assert row.texts("a") == ["x", "2", " y"] and row.texts("absent") == []
    for part in "bcd":
        with pytest.raises(ValueError, match=f"here: field '{part}' must be a list of texts"):
            row.texts(part)


def test_a_whole_number_and_a_mapping_may_be_missing_but_nothing_else() -> None:
    row = Row("here", {"a": 2.0, "b": "3", "c": {"x": 1}, "d": None})
    assert [row.whole(part) for part in ("a", "b", "d", "absent")] == [2, 3, None, None]
    assert (row.mapping("c"), row.mapping("d")) == ({"x": 1}, {})
    for value in (-1, 0.5, "x", [1], "9" * 30, float("nan")):
        with pytest.raises(ValueError, match="here: field 'a' must be"):
            Row("here", {"a": value}).whole("a")
    with pytest.raises(ValueError, match=r"field 'a' must be a mapping, got \['x'\] \(a list\)"):
        Row("here", {"a": ["x"]}).mapping("a")


def test_a_response_may_be_anything_that_is_text() -> None:
    assert Row("here", {"response": "\ud800\0"}).verbatim("response") == "\ud800\0"
    assert Row("here", {"response": ""}).verbatim("response") == ""
    with pytest.raises(ValueError, match="field 'response' must be text"):
        Row("here", {"response": ["a"]}).verbatim("response")
