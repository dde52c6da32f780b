"""WebDataset-style folders: tar files, or files side by side, whose members of one name are one
document.

    0001.jpg  0001.txt  │  0002.0.png  0002.1.png  0002.json      {"text": "... <image> ..."}
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from k15.config.errors import ConfigError, one_line
from k15.problems.documents.files import gone, shuffled
from k15.problems.documents.filters import Filter, passed
from k15.problems.documents.reading import Records, side_of
from k15.problems.documents.source import Item, Refusal
from k15.problems.pictures import SUFFIXES as PICTURES
from k15.questions import Split

TEXT = (".txt", ".caption", ".cap")


class ShardDocuments:
    """Documents of the .tar files of a folder, or of the files in it (https://github.com/webdataset).

    A document is what has one name up to the first dot: pictures in the order of their names, and a
    text, or a .json with `text` (or `caption`). Shards come in an order that `seed` shuffles, and
    so do the documents of a shard; null keeps theirs.
    """

    def __init__(
        self, path: str, *, filters: Mapping[str, Filter] | None = None, seed: int | None = 0
    ) -> None:
        self.path = Path(path)
        self.words: tuple[str, ...] = ()
        self.filters = dict(filters or {})
        self.seed = seed
        self.records = Records(self.path)
        if not self.shards:
            raise ConfigError(f"corpus: path={path!r}: no .tar file, and no folder with files")

    @cached_property
    def shards(self) -> list[Path]:
        """Tar files by name; of a folder without any, itself."""
        if self.path.is_file():
            return [self.path]
        found = sorted(self.path.rglob("*.tar"))
        return found or ([self.path] if self.path.is_dir() and any(self.path.iterdir()) else [])

    def read(
        self, first: int = 0, split: Split = "train", turn: int = 0
    ) -> Iterator[tuple[int, Item]]:
        """As `DocumentSource.read`; numbers count documents of both sides."""
        number = 0
        for shard in shuffled(self.shards, self.seed, f"shards {turn}"):
            members = members_of(shard)
            keys = shuffled([*members], self.seed, f"{shard.name} {turn}")
            start = max(0, first - number)
            for behind, key in enumerate(keys[start:], number + start):
                item = passed(self._item(shard, key, members[key]), self.filters)
                if side_of(item) == split:
                    yield behind, item
            number += len(keys)

    def _item(self, shard: Path, key: str, members: Mapping[str, bytes | Path]) -> Item:
        place = f"{shard.name}/{key}"
        record: dict[str, Any] = {"id": key, "images": []}
        for name in sorted(members):
            content, suffix = members[name], PurePosixPath(name).suffix.lower()
            if suffix in PICTURES:
                record["images"].append(content if isinstance(content, bytes) else str(content))
            elif suffix in TEXT or suffix == ".json":
                data = content if isinstance(content, bytes) else content.read_bytes()
                try:
                    text = data.decode()
                    record |= {"text": text} if suffix in TEXT else json.loads(text)
                except (ValueError, TypeError) as error:
                    return Refusal(key, "not a document", f"{place}: {name}: {one_line(error)}")
        if "text" not in record and "caption" not in record:
            return Refusal(key, "no text", f"{place} has {', '.join(sorted(members))}")
        record["images"] = record["images"] or None
        return self.records.item(record, place)


def members_of(shard: Path) -> dict[str, dict[str, bytes | Path]]:
    """The files of each document, by key and name, in their order.

    Raises ConfigError for a shard that is gone, or is no whole tar file.
    """
    found: dict[str, dict[str, bytes | Path]] = {}
    if shard.is_dir():
        for file in sorted(shard.iterdir()):
            found.setdefault(file.name.partition(".")[0], {})[file.name] = file.absolute()
        return found
    if not shard.is_file():
        raise gone(shard)
    try:
        with tarfile.open(shard) as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None:
                    path = PurePosixPath(member.name)
                    key = str(path.with_name(path.name.partition(".")[0]))
                    found.setdefault(key, {})[path.name] = content.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ConfigError(f"corpus: {shard}: not a whole tar file ({one_line(error)})") from error
    return found
