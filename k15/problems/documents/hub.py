"""Documents of data sets too large to be loaded: streamed from the Hugging Face hub, or from a
folder that litdata has optimised.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from k15.config.errors import ConfigError, one_line
from k15.problems.documents.filters import Filter, passed
from k15.problems.documents.reading import Records, side_of
from k15.problems.documents.source import Item
from k15.questions import Split


class StreamedDocuments:
    """A data set by its name on the hub, or a folder of files that `datasets` knows, of which no
    more is loaded than is read. `shuffled` documents are drawn from at a time; 0 keeps the order.
    A resumed run passes over what it had, which takes as long as reading it.
    """

    def __init__(
        self,
        path: str,
        *,
        config: str | None = None,
        split: str = "train",
        fields: Mapping[str, str | Sequence[str] | None] | None = None,
        filters: Mapping[str, Filter] | None = None,
        shuffled: int = 1000,
        seed: int = 0,
    ) -> None:
        self.path, self.config, self.split = path, config, split
        self.words: tuple[str, ...] = ()
        self.filters = dict(filters or {})
        self.shuffled, self.seed = shuffled, seed
        self.records = Records(Path("."), fields)

    def read(
        self, first: int = 0, split: Split = "train", turn: int = 0
    ) -> Iterator[tuple[int, Item]]:
        """As `DocumentSource.read`; numbers count documents of both sides."""
        rows = self._rows
        if self.shuffled:
            rows = rows.shuffle(seed=self.seed + turn, buffer_size=self.shuffled)
        for number, record in enumerate(rows.skip(first), first):
            item = passed(self.records.item(record, f"{self.path}[{number}]"), self.filters)
            if side_of(item) == split:
                yield number, item

    @cached_property
    def _rows(self) -> Any:
        try:
            from datasets import Image, load_dataset
        except ImportError as error:
            raise ConfigError(
                f"corpus: path={self.path!r}: to stream a data set, pip install 'k15[hub]'"
            ) from error
        try:
            found = load_dataset(self.path, self.config, split=self.split, streaming=True)
        except Exception as error:  # the hub's errors have no common type
            raise ConfigError(
                f"corpus: path={self.path!r} cannot be streamed from the Hugging Face hub "
                f"({one_line(error)}); give a file (k15.problems.documents.files.FileDocuments)"
            ) from error
        for name, feature in (found.features or {}).items():
            if isinstance(feature, Image):
                found = found.cast_column(name, Image(decode=False))
        return found


class OptimizedDocuments:
    """A folder that `litdata.optimize` has written (https://github.com/Lightning-AI/litData), which
    is read in parts, from a disk or an object store. Documents come in the order in which they lie
    there: shuffle them when it is written.
    """

    def __init__(
        self,
        path: str,
        *,
        fields: Mapping[str, str | Sequence[str] | None] | None = None,
        filters: Mapping[str, Filter] | None = None,
    ) -> None:
        self.path = path
        self.words: tuple[str, ...] = ()
        self.filters = dict(filters or {})
        self.records = Records(Path("."), fields)

    def read(
        self, first: int = 0, split: Split = "train", turn: int = 0
    ) -> Iterator[tuple[int, Item]]:
        """As `DocumentSource.read`; numbers count documents of both sides."""
        for number in range(first, len(self._rows)):
            record = self._rows[number]
            record = {"text": record} if isinstance(record, str) else record
            item = passed(self.records.item(record, f"{self.path}[{number}]"), self.filters)
            if side_of(item) == split:
                yield number, item

    @cached_property
    def _rows(self) -> Any:
        try:
            from litdata import StreamingDataset
        except ImportError as error:
            raise ConfigError(
                f"corpus: path={self.path!r}: to read it, pip install 'k15[corpora]'"
            ) from error
        try:
            return StreamingDataset(self.path)
        except Exception as error:  # of many types
            raise ConfigError(
                f"corpus: path={self.path!r} is no folder that litdata.optimize wrote "
                f"({one_line(error)})"
            ) from error
