"""Records of files and data sets become `Problem`s here, or are refused by line and reason."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from k15.types import Problem


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


def read_records(path: str, split: str) -> list[tuple[str, Mapping[str, Any]]]:
    """(place, record) pairs of a local .jsonl or .json file, or of a data set on the Hugging Face
    hub.

    Raises ValueError for a file that is missing, empty or not JSON, with the line.
    """
    file = Path(path)
    if file.is_file():
        return _read_file(file)
    if file.suffix in (".jsonl", ".json") or path.startswith((".", "/")):
        raise ValueError(f"data.path={path!r}: no such file (looked in {Path.cwd()})")
    return _read_hub(path, split)


def problem_of(
    record: Mapping[str, Any], place: str, fields: Mapping[str, str], domain: str, instruction: str
) -> Problem:
    """One record as a `Problem`; raises ValueError with place, field and the fields there are."""
    values = {part: record.get(name) for part, name in fields.items()}
    for part in ("problem", "answer"):
        if values[part] is None or not str(values[part]).strip():
            raise ValueError(
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
        difficulty=_level(values["difficulty"]),
        meta=meta,
    )


def _level(value: Any) -> int | None:
    """The number in `3`, `"3"` or `"Level 3"`; None where there is none ("Level ?")."""
    digits = re.search(r"\d+", str(value)) if value is not None else None
    return int(digits[0]) if digits else None


def _read_file(file: Path) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"data.path={str(file)!r}: not UTF-8 text ({error})") from error
    if file.suffix == ".json":
        rows = [(f"{file}[{i}]", row) for i, row in enumerate(_parse(text, str(file)))]
    else:
        lines = enumerate(text.splitlines(), 1)
        rows = [(f"{file}:{n}", _parse(line, f"{file}:{n}")) for n, line in lines if line.strip()]
    if not rows:
        raise ValueError(f"data.path={str(file)!r}: the file has no records")
    for place, row in rows:
        if not isinstance(row, dict):
            raise ValueError(f"{place}: expected a JSON object, found {type(row).__name__}")
    return rows


def _parse(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{place}: not JSON ({error.msg} at column {error.colno})") from error


def _read_hub(name: str, split: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise ValueError(
            f"data.path={name!r} is no local file; to load it from the Hugging Face hub: pip "
            "install 'k15[hub]'"
        ) from error
    return [(f"{name}[{split}][{i}]", row) for i, row in enumerate(load_dataset(name, split=split))]
