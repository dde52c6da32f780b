"""Records of Arrow tables: Parquet files, and the data sets of the Hugging Face hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k15.config.errors import ConfigError, one_line

if TYPE_CHECKING:
    from pyarrow import Table


def read_parquet(file: Path, setting: str) -> list[tuple[str, dict[str, Any]]]:
    """(place, record) pairs of a Parquet file; raises ValueError if it is none."""
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import read_table
    except ImportError as error:
        raise ConfigError(f"{setting}={str(file)!r}: to read it, pip install 'k15[hub]'") from error
    try:
        table = read_table(file)
    except (ArrowException, OSError) as error:
        raise ConfigError(
            f"{setting}={str(file)!r}: not a Parquet file ({one_line(error)})"
        ) from error
    return unpacked(table, str(file))


def unpacked(table: Table, where: str) -> list[tuple[str, dict[str, Any]]]:
    """(place, record) pairs of a table's rows; class labels of data sets by their names.

    Raises ValueError for a text that is not UTF-8, with its row.
    """
    try:
        records = table.to_pylist()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}[{_broken(table)}]: not UTF-8 text ({error.reason})") from error
    labels = _labels(table)
    for record in records:
        for column, names in labels.items():
            label = record[column]
            if label is not None:
                record[column] = names[label] if 0 <= label < len(names) else None
    return [(f"{where}[{number}]", record) for number, record in enumerate(records)]


def _broken(table: Table) -> int:
    """The first row that cannot be decoded."""
    for number in range(table.num_rows):
        try:
            table.slice(number, 1).to_pylist()
        except UnicodeDecodeError:
            return number
    raise AssertionError("every row can be decoded")


def _labels(table: Table) -> Mapping[str, list[str]]:
    """Columns that hold the number of a name, with their names, as `datasets` notes them."""
    noted = (table.schema.metadata or {}).get(b"huggingface")
    features = json.loads(noted).get("info", {}).get("features", {}) if noted else {}
    return {
        column: feature["names"]
        for column, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
    }
