"""Records of files and data sets become `Problem`s here, or are refused by line and reason."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from k15.config.errors import ConfigError
from k15.types import Problem

SUFFIXES = (".jsonl", ".json", ".jsonl.gz", ".parquet")


class Record:
    """The parts of a problem and the names they have in a record unless `data.fields` says
    otherwise.
    """

    FIELDS: ClassVar[dict[str, str]] = {
        "id": "id",
        "problem": "problem",
        "answer": "answer",
        "difficulty": "level",
        "solution": "solution",
    }


def read_records(
    path: str,
    split: str,
    *,
    config: str | None = None,
    field: str = "data.path",
    wanted: str = "the same records",
) -> list[tuple[str, Mapping[str, Any]]]:
    """(place, record) pairs of a local file, or of a data set on the Hugging Face hub.

    A file holds an object per line (.jsonl, .jsonl.gz), a list of objects or a mapping of names to
    objects (.json), or a table (.parquet). Pictures of a data set stay as they are stored:
    `{"bytes": ..., "path": ...}`.

    Args:
        path: of the file, the name of the data set, or a folder with a copy of it.
        split: of a data set.
        config: of a data set that has several.
        field: the setting that `path` comes from; errors name it.
        wanted: what a local file has to hold; said where the hub cannot be reached.

    Raises ValueError for a file that is missing, empty or cannot be read, with the line, and for a
    data set that cannot be loaded.
    """
    file = Path(path)
    if file.is_file():
        return _read_file(file, field)
    local = path.startswith((".", "/", "~")) or path.endswith(SUFFIXES)
    if local and not file.is_dir():
        raise ConfigError(f"{field}={path!r}: no such file (looked in {Path.cwd()})")
    return _read_hub(path, split, config, field, wanted)


def download(name: str, file: str, *, field: str, wanted: str) -> Path:
    """One file of a data set on the hub, where a copy of it lies now.

    Raises ValueError if it cannot be had.
    """
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(name, file, repo_type="dataset"))
    except (OSError, ValueError) as error:
        raise _unreachable(name, field, wanted, error) from error


def problem_of(
    record: Mapping[str, Any], place: str, fields: Mapping[str, str], domain: str, instruction: str
) -> Problem:
    """One record as a `Problem`; raises ValueError with place, field and the fields there are."""
    values = {part: record.get(name) for part, name in fields.items()}
    for part in ("problem", "answer"):
        if values[part] is None or not str(values[part]).strip():
            raise ConfigError(
                f"{place}: no {part} (field {fields[part]!r} is missing or empty); the record has "
                f"{sorted(record)}. Name the right field with data.fields.{part}=<name> or mend "
                "the record"
            )
    question = str(values["problem"]).strip()
    content = f"{question}\n{instruction}" if instruction else question
    meta = {"place": place}
    if values["solution"]:
        meta["solution"] = str(values["solution"])
    return Problem(
        id=str(values["id"] if values["id"] is not None else place),
        prompt=({"role": "user", "content": content},),
        answer=str(values["answer"]).strip(),
        domain=domain,
        difficulty=level_of(values["difficulty"]),
        meta=meta,
    )


def level_of(value: Any) -> int | None:
    """The number in `3`, `"3"` or `"Level 3"`; None where there is none ("Level ?")."""
    digits = re.search(r"\d+", str(value)) if value is not None else None
    return int(digits[0]) if digits else None


def _read_file(file: Path, field: str) -> list[tuple[str, Mapping[str, Any]]]:
    rows = _table(file, field) if file.suffix == ".parquet" else list(_texts(file, field))
    if not rows:
        raise ConfigError(f"{field}={str(file)!r}: the file has no records")
    for place, row in rows:
        if not isinstance(row, dict):
            raise ConfigError(f"{place}: expected a JSON object, found {type(row).__name__}")
    return rows


def _texts(file: Path, field: str) -> Iterable[tuple[str, Any]]:
    try:
        content = file.read_bytes()
        text = (gzip.decompress(content) if file.suffix == ".gz" else content).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{field}={str(file)!r}: not UTF-8 text ({error})") from error
    except (gzip.BadGzipFile, EOFError) as error:
        raise ConfigError(f"{field}={str(file)!r}: not a whole gzip file ({error})") from error
    if file.suffix == ".json":
        content = _parse(text, str(file))
        if not isinstance(content, dict | list):
            kind = type(content).__name__
            raise ConfigError(f"{file}: expected a list or mapping of objects, found {kind}")
        items = content.items() if isinstance(content, dict) else enumerate(content)
        return [(f"{file}[{name}]", row) for name, row in items]
    lines = enumerate(text.split("\n"), 1)
    return [(f"{file}:{n}", _parse(line, f"{file}:{n}")) for n, line in lines if line.strip()]


def _parse(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{place}: not JSON ({error.msg} at column {error.colno})") from error


def _table(file: Path, field: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_table
    except ImportError as error:
        raise ConfigError(f"{field}={str(file)!r}: to read it, pip install 'k15[hub]'") from error
    try:
        rows = read_table(file).to_pylist()
    except (ArrowException, OSError) as error:
        raise ConfigError(f"{field}={str(file)!r}: not a Parquet file ({error})") from error
    return [(f"{file}[{i}]", row) for i, row in enumerate(rows)]


def _read_hub(
    name: str, split: str, config: str | None, field: str, wanted: str
) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        from datasets import Image, load_dataset
    except ImportError as error:
        raise ConfigError(
            f"{field}={name!r} is no local file; to load it from the Hugging Face hub: pip "
            "install 'k15[hub]'"
        ) from error
    try:
        table = load_dataset(name, config, split=split)
    except (OSError, ValueError) as error:
        raise _unreachable(name, field, wanted, error) from error
    for column, feature in table.features.items():
        if isinstance(feature, Image):
            table = table.cast_column(column, Image(decode=False))
    where = f"{name}:{config}" if config else name
    return [(f"{where}[{split}][{i}]", row) for i, row in enumerate(table)]


def _unreachable(name: str, field: str, wanted: str, error: Exception) -> ValueError:
    reason = str(error).strip().split("\n")[0]
    return ValueError(
        f"{field}={name!r} cannot be loaded from the Hugging Face hub ({reason}); without it, give "
        f"{field}=<file>, a {', '.join(SUFFIXES)} file with {wanted}"
    )
