"""Parquet: rows as Python values, labels by their names, faults by row."""

from pathlib import Path

import pytest

from k15.problems.records import read_records

pa = pytest.importorskip("pyarrow", reason="pip install 'k15[hub]'")
parquet = pytest.importorskip("pyarrow.parquet", reason="pip install 'k15[hub]'")


def test_numbers_are_plain_and_bytes_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"answer": [4, 5], "raw": [b"4", b"5"]}), file)
    first, second = read_records(str(file), "test")
    assert (first.answer(), second.answer(), second.place) == ("4", "5", f"{file}[1]")
    with pytest.raises(ValueError, match=r"a.parquet\[1\]: field 'raw' .*\(bytes; decode them\)"):
        second.answer("raw")


def test_a_text_that_is_not_utf8_is_refused_by_row(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    column = pa.array([b"4", b"\xff"]).cast(pa.string(), safe=False)
    parquet.write_table(pa.table({"answer": column}), file)
    with pytest.raises(ValueError, match=r"a.parquet\[1\]: not UTF-8 text"):
        read_records(str(file), "test")


def test_class_labels_are_their_names_in_a_file_and_in_a_data_set(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="pip install 'k15[hub]'")
    features = datasets.Features({"answer": datasets.ClassLabel(names=["A", "B", "C"])})
    folder = tmp_path / "set"
    folder.mkdir()
    table = datasets.Dataset.from_dict({"answer": [2, 0, None]}, features=features)
    table.to_parquet(folder / "test-0.parquet")
    for path in (folder, folder / "test-0.parquet"):
        rows = read_records(str(path), "test")
        assert [row.get("answer") for row in rows] == ["C", "A", None]
