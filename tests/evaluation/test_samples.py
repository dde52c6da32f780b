import json

import pytest

from k15.evaluation.samples import Response
from k15.journal import Journal, read

KEY = ("sums", "cot", "7", 0)


def test_a_line_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "responses.jsonl"
    lines = [Response.at(KEY, text, 3, "stop") for text in ("π ≈ 3", "a\nb", "half \ud83d", "")]
    journal = Journal(path)
    for line in lines:
        journal.append(line)
    journal.close()
    assert list(read(path, Response)) == lines
    assert "π ≈ 3" in path.read_text()  # for people, too


def test_a_line_without_an_end_is_not_read_and_is_cut_off(tmp_path):
    path = tmp_path / "responses.jsonl"
    first, second = (Response.at(KEY, text, 1, "stop") for text in "ab")
    journal = Journal(path)
    journal.append(first)
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    assert list(read(path, Response)) == [first]
    journal = Journal(path)
    journal.append(second)
    journal.close()
    assert list(read(path, Response)) == [first, second]


def test_a_missing_field_is_named_with_its_line(tmp_path):
    path = tmp_path / "responses.jsonl"
    path.write_text(json.dumps({"benchmark": "sums", "response": "2"}) + "\n")
    with pytest.raises(ValueError, match=r"responses.jsonl:1: no field prompting, id, index"):
        list(read(path, Response))
