"""Documents of local files: JSON lines, Parquet, plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

from k15.config.errors import ConfigError
from k15.problems.documents.duplicates import duplicates
from k15.problems.documents.filters import Filter, passed
from k15.problems.documents.reading import Records, side_of
from k15.problems.documents.source import Item, Refusal
from k15.problems.records import read_records
from k15.questions import Split

RECORDS = (".jsonl", ".jsonl.gz", ".json", ".parquet")
TEXTS = (".txt", ".md")


class FileDocuments:
    """Documents of one file, or of all such files in a folder, which are read one at a time.

    A line of .jsonl (.jsonl.gz), a row of .parquet or an object of .json is a document; a .txt file
    is cut into documents at empty lines, `paragraphs` of them each. Files, and the documents of a
    file, come in an order that `seed` shuffles; null keeps theirs. `filters` by name say which are
    fit to learn from; with `near_duplicates` those of which another one before them has at least
    this share of the word runs are left out, for which all texts are read at the start.
    """

    def __init__(
        self,
        path: str,
        *,
        fields: Mapping[str, str | Sequence[str] | None] | None = None,
        images: str | None = None,
        filters: Mapping[str, Filter] | None = None,
        near_duplicates: float | None = None,
        paragraphs: int = 8,
        seed: int | None = 0,
    ) -> None:
        self.path = Path(path)
        self.words: tuple[str, ...] = ()
        self.paragraphs = paragraphs
        self.filters = dict(filters or {})
        self.near_duplicates = near_duplicates
        self.seed = seed
        folder = self.path if self.path.is_dir() else self.path.parent
        self.records = Records(Path(images) if images else folder, fields)
        if not self.files:
            kinds = ", ".join((*RECORDS, *TEXTS))
            raise ConfigError(f"corpus: path={path!r}: no such file, or a folder without {kinds}")

    @cached_property
    def files(self) -> list[Path]:
        """Those to read, by name."""
        if self.path.is_file():
            return [self.path]
        found = self.path.rglob("*") if self.path.is_dir() else []
        return sorted(file for file in found if file.name.endswith((*RECORDS, *TEXTS)))

    def read(
        self, first: int = 0, split: Split = "train", turn: int = 0
    ) -> Iterator[tuple[int, Item]]:
        """As `DocumentSource.read`; numbers count documents of both sides."""
        number = 0
        for file in shuffled(self.files, self.seed, f"files {turn}"):
            placed = shuffled(self._placed(file), self.seed, f"{file.name} {turn}")
            start = max(0, first - number)
            for behind, (place, record) in enumerate(placed[start:], number + start):
                item = self._item(place, record)
                if side_of(item) == split:
                    yield behind, item
            number += len(placed)

    def _item(self, place: str, record: Mapping[str, Any]) -> Item:
        if same := self._same.get(place):
            return Refusal(place, "near duplicate", f"of {same}", filtered=True)
        return passed(self.records.item(record, place), self.filters)

    @cached_property
    def _same(self) -> dict[str, str]:
        """Where near duplicates stand, and where the first of them does."""
        if self.near_duplicates is None:
            return {}
        placed = [one for file in self.files for one in self._placed(file)]
        texts = [str(self.records.row(record, place).get("text")) for place, record in placed]
        found = duplicates(texts, self.near_duplicates)
        return {placed[later][0]: placed[earlier][0] for later, earlier in found.items()}

    def _placed(self, file: Path) -> list[tuple[str, dict[str, Any]]]:
        if not file.is_file():
            raise gone(file)
        if not file.name.endswith(TEXTS):
            rows = read_records(str(file), "train", setting="corpus.sources.path")
            return [(row.place, dict(row.record)) for row in rows]
        return [
            (f"{file}:{number}", {"text": text})
            for number, text in enumerate(self._paragraphs(file), 1)
        ]

    def _paragraphs(self, file: Path) -> list[str]:
        """Runs of paragraphs."""
        try:
            found = re.split(r"\n\s*\n", file.read_text(encoding="utf-8-sig").strip())
        except UnicodeDecodeError as error:
            raise ConfigError(f"{file}: not UTF-8 text ({error.reason})") from error
        starts = range(0, len(found), self.paragraphs)
        return ["\n\n".join(found[start : start + self.paragraphs]) for start in starts]


def gone(file: Path) -> ConfigError:
    """What to raise about a file that was there when training began."""
    return ConfigError(
        f"corpus: {file} was there when training began and is gone; put it back and go on with "
        "resume=last"
    )


def shuffled(items: Sequence[Any], seed: int | None, what: str) -> list[Any]:
    """In an order that seed and name decide."""
    if seed is None:
        return list(items)
    return Random(f"{seed} {what}").sample(list(items), len(items))
