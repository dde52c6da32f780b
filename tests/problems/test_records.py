"""Files and data sets of records, and what is said where they cannot be read."""

import gzip
import json
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from k15.problems.records import read_records

ROWS = [{"id": "a", "n": 1}, {"id": "b\u2028c", "n": None}]
CUT = gzip.compress(b'{"a": 1}', mtime=0)[:-9]  # without its end


def test_every_kind_of_file_gives_the_same_records(tmp_path: Path) -> None:
    lines = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
    (tmp_path / "a.jsonl").write_bytes(lines.encode())
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    (tmp_path / "named.json").write_text(json.dumps({"x": ROWS[0], "y": ROWS[1]}))
    for name in ("a.jsonl", "a.jsonl.gz", "a.json", "named.json"):
        assert [row.record for row in read_records(str(tmp_path / name), "test")] == ROWS
    places = [row.place for row in read_records(str(tmp_path / "named.json"), "test")]
    assert places == [f"{tmp_path}/named.json[x]", f"{tmp_path}/named.json[y]"]


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    for name, text in (("a.jsonl", '{"a": 1}\n'), ("a.json", '[{"a": 1}]')):
        (tmp_path / name).write_bytes(text.encode("utf-8-sig"))
        [row] = read_records(str(tmp_path / name), "test")
        assert row.record == {"a": 1}


def test_empty_lines_count_but_are_no_records(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'\n{"a": 1}\r\n\r\n  \n{"a": 2}')
    rows = read_records(str(tmp_path / "a.jsonl"), "test")
    assert [(row.place.rpartition(":")[2], row.number) for row in rows] == [("2", 0), ("5", 1)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"3", "a.json: expected a list or mapping of objects, found int"),
        ("a.json", b"[1]", r"a.json\[0\]: expected a JSON object, found int"),
        ("a.json", b'{"a": 1}\n{"a": 2}\n', "a.json:2: not JSON .*has to be named .jsonl"),
        ("a.jsonl", b"", "benchmark.x.path=.*the file has no records"),
        ("a.jsonl", b" \n\r\n", "benchmark.x.path=.*the file has no records"),
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "a.jsonl:2: not JSON .* at column"),
        ("a.jsonl", b'{"a": 1}\n{"a": "b', "a.jsonl:2: .*the file ends within this line"),
        ("a.jsonl", b'{"a": 1}\n[{"a": 1}]', "a.jsonl:2: expected a JSON object, found list"),
        ("a.jsonl", b'{"a": 1}\n\xef\xbb\xbf{"a": 2}', "a.jsonl:2: not JSON .*BOM"),
        ("a.jsonl", b'{"a": 1}\n{"a": %s}' % (b"9" * 5000), "a.jsonl:2: .*4300 digits"),
        ("a.jsonl", b'{"a": 1}\n{"a": %s}' % (b"[" * 10**5), "a.jsonl:2: cannot be read"),
        ("a.jsonl", b'{"a": 1, "a": 2}', "a.jsonl:1: .*the field 'a' stands in an object twice"),
        ("a.jsonl", b'{"a": "\0"}', "a.jsonl:1: not JSON .*control character"),
        ("a.jsonl", b'{"a": 1}\n\xff', "benchmark.x.path=.*not UTF-8 text .line 2: byte 0xff"),
        ("a.jsonl", '{"a": 1}'.encode("utf-16"), "benchmark.x.path=.*not UTF-8 text .line 1"),
        ("a.zip", b"PK\3\4\x9f", "benchmark.x.path=.*not UTF-8.*give a .jsonl, .json, .jsonl.gz,"),
        ("a.jsonl.gz", b"no gzip", "benchmark.x.path=.*not a whole gzip file"),
        ("a.jsonl.gz", CUT, "benchmark.x.path=.*not a whole gzip"),
        ("a.jsonl.gz", CUT[:12] + b"\xff" * 9, "not a whole gzip"),
        ("a.parquet", b"no parquet", "benchmark.x.path=.*not a Parquet file"),
    ],
)
def test_broken_files_are_refused_by_place(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="pip install 'k15[hub]'")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_records(str(tmp_path / name), "test", setting="benchmark.x.path")
    assert len(str(caught.value).splitlines()) == 1


def test_pictures_of_a_data_set_stay_encoded(tmp_path: Path) -> None:
    """Through the loader of the hub itself, which also takes a folder; decoded they need GiB."""
    datasets = pytest.importorskip("datasets", reason="pip install 'k15[hub]'")
    buffer = BytesIO()
    Image.new("RGB", (2, 3), "red").save(buffer, "PNG")
    rows = {"id": ["1"], "image": [{"bytes": buffer.getvalue(), "path": "1.png"}]}
    features = datasets.Features({"id": datasets.Value("string"), "image": datasets.Image()})
    folder = tmp_path / "set"
    folder.mkdir()
    datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / "test-0.parquet")
    from_folder = read_records(str(folder), "test")
    from_file = read_records(str(folder / "test-0.parquet"), "test")
    for [row] in (from_folder, from_file):
        assert row.record["image"]["bytes"] == buffer.getvalue()


def test_without_a_network_one_line_says_which_file_would_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("datasets", reason="pip install 'k15[hub]'")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError) as caught:
        read_records("no-one/nothing", "test", setting="benchmark.x.path", wanted="the field q")
    [line] = str(caught.value).splitlines()
    assert line.startswith("benchmark.x.path='no-one/nothing' cannot be loaded from the Hugging")
    assert line.endswith(
        "give benchmark.x.path=<file>, a .jsonl, .json, .jsonl.gz, .parquet file with the field q"
    )
