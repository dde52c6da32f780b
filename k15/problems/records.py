"""Records of files and data sets, each with the place it stands at; or refused by file and line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from k15.config.errors import ConfigError, one_line
from k15.problems.rows import Names, Row
from k15.problems.tables import read_parquet, unpacked

SUFFIXES = (".jsonl", ".json", ".jsonl.gz", ".parquet")

Placed = tuple[str, Any]
"""Where a record stands, and the record."""


def read_records(
    path: str,
    split: str,
    names: Names | None = None,
    *,
    config: str | None = None,
    setting: str = "data.path",
    wanted: str = "the same records",
) -> list[Row]:
    """The records of a local file, or of a data set on the Hugging Face hub.

    A file holds an object per line (.jsonl, .jsonl.gz), a list of objects or a mapping of names to
    objects (.json), or a table (.parquet). Pictures of a data set stay as they are stored:
    `{"bytes": ..., "path": ...}`; a class label is its name.

    Args:
        path: of the file, the name of the data set, or a folder with a copy of it.
        split: of a data set.
        names: what the records call the parts of a problem.
        config: of a data set that has several.
        setting: what `path` comes from; errors name it.
        wanted: what a local file has to hold; said where the hub cannot be reached.

    Raises ValueError for a file that is missing, empty or cannot be read, with the line, and for a
    data set that cannot be loaded.
    """
    file = Path(path)
    local = path.startswith((".", "/", "~")) or path.endswith(SUFFIXES)
    if file.is_file():
        placed = _read_file(file, setting)
    elif local and not file.is_dir():
        raise ConfigError(f"{setting}={path!r}: no such file (looked in {Path.cwd()})")
    else:
        placed = _read_hub(path, split, config, setting, wanted)
    for place, record in placed:
        if not isinstance(record, dict):
            raise ConfigError(f"{place}: expected a JSON object, found {type(record).__name__}")
    rows = enumerate(placed)
    return [Row(place, record, names or {}, n, setting) for n, (place, record) in rows]


def download(name: str, file: str, *, setting: str, wanted: str) -> Path:
    """One file of a data set on the hub, where a copy of it lies now.

    Raises ValueError if it cannot be had.
    """
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(name, file, repo_type="dataset"))
    except (OSError, ValueError) as error:
        raise _unreachable(name, setting, wanted, error) from error


def _read_file(file: Path, setting: str) -> Sequence[Placed]:
    if file.suffix == ".parquet":
        placed: Sequence[Placed] = read_parquet(file, setting)
    elif file.name.endswith((".json", ".json.gz")):
        placed = _members(file, _text(file, setting))
    else:
        placed = list(_lines(file, _text(file, setting)))
    if not placed:
        raise ConfigError(f"{setting}={str(file)!r}: the file has no records")
    return placed


def _text(file: Path, setting: str) -> str:
    try:
        content = file.read_bytes()
        content = gzip.decompress(content) if file.suffix == ".gz" else content
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{setting}={str(file)!r}: not UTF-8 text (line {line}: byte "
            f"0x{content[error.start]:02x}, {error.reason}); give a {', '.join(SUFFIXES)} file"
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigError(f"{setting}={str(file)!r}: not a whole gzip file ({error})") from error
    except OSError as error:
        raise ConfigError(f"{setting}={str(file)!r}: {error.strerror}") from error


def _lines(file: Path, text: str) -> Iterator[Placed]:
    lines = text.split("\n")  # and not at U+2028, which a JSON text may hold
    for number, line in enumerate(lines, 1):
        if line.strip():
            torn = number == len(lines) > 1
            end = "; the file ends within this line" if torn else ""
            yield f"{file}:{number}", _parse(line, file, number, end)


def _members(file: Path, text: str) -> list[Placed]:
    content = _parse(text, file, 1, "; a file with an object per line has to be named .jsonl")
    if not isinstance(content, dict | list):
        kind = type(content).__name__
        raise ConfigError(f"{file}: expected a list or mapping of objects, found {kind}")
    items = content.items() if isinstance(content, dict) else enumerate(content)
    return [(f"{file}[{name}]", row) for name, row in items]


def _parse(text: str, file: Path, first_line: int, hint: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        place = f"{file}:{first_line + error.lineno - 1}"
        raise ConfigError(
            f"{place}: not JSON ({error.msg} at column {error.colno}){hint}"
        ) from error
    except (ValueError, RecursionError) as error:  # a key twice, an endless integer, or nesting
        raise ConfigError(f"{file}:{first_line}: cannot be read ({one_line(error)})") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the field {twice!r} stands in an object twice; which one counts?")
    return found


def _read_hub(name: str, split: str, config: str | None, setting: str, wanted: str) -> list[Placed]:
    try:
        from datasets import load_dataset
        from datasets.exceptions import DatasetsError
    except ImportError as error:
        raise ConfigError(
            f"{setting}={name!r} is no local file; to load it from the Hugging Face hub: pip "
            "install 'k15[hub]'"
        ) from error
    try:
        table = load_dataset(name, config, split=split)
    except (OSError, ValueError, DatasetsError) as error:
        raise _unreachable(name, setting, wanted, error) from error
    where = f"{name}:{config}[{split}]" if config else f"{name}[{split}]"
    return unpacked(table.with_format("arrow")[:], where)


def _unreachable(name: str, setting: str, wanted: str, error: Exception) -> ConfigError:
    reason = str(error).strip().split("\n")[0]
    return ConfigError(
        f"{setting}={name!r} cannot be loaded from the Hugging Face hub ({reason}); without it, "
        f"give {setting}=<file>, a {', '.join(SUFFIXES)} file with {wanted}"
    )
