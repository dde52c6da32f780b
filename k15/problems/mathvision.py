"""MATH-Vision to train on (k1.5 §2.3.5, real-world vision data): free answers, and options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from k15.graders.choices import LETTERS
from k15.graders.choices import listed as options_listed
from k15.problems.pictures import TAG
from k15.problems.pools import Entry
from k15.problems.pools import listed as pictures_of
from k15.problems.record_source import RecordSource
from k15.problems.rows import Names, Row


class MathVisionSource(RecordSource):
    """Records of the MATH-V repository or data set, pictures beside them; options are listed behind
    the question and known to the grader (`rewards=mathvision`).

    k1.5 leaves multiple choice out of RL, since it can be guessed (§2.1): with `options=False` such
    problems are no training problems, and neither are they held out.
    """

    FIELDS: ClassVar[Names] = {
        **RecordSource.FIELDS,
        "images": ("decoded_image", "image"),
        "options": ("options",),
    }

    def __init__(self, path: str, *, options: bool = True, **records: Any) -> None:
        """`records` is of `RecordSource`."""
        self.options = options
        super().__init__(path, **records)

    def entry(self, row: Row) -> Entry:
        """Raises ValueError for an answer that is not the letter of an option."""
        options = row.texts("options")
        entry = super().entry(as_asked(row, options))
        problem = entry.problem
        if options and problem.answer not in LETTERS[: len(options)]:
            letters = ", ".join(LETTERS[: len(options)])
            raise row.fault("answer", f"must be the letter of an option ({letters})")
        meta = {**problem.meta, "choices": options, "subject": str(row.get("subject") or "")}
        return entry._replace(problem=replace(problem, meta=meta))

    def _entries(self, path: str, split: str) -> list[Entry]:
        entries = super()._entries(path, split)
        return [one for one in entries if self.options or not one.problem.meta["choices"]]


def as_asked(row: Row, options: Sequence[str]) -> Row:
    """The record with its options in the text of the question. Several places that one picture
    shows all at once are taken out of it: then the picture comes first.
    """
    text = f"{row.text('problem')}\n{options_listed(options)}".strip()
    if len(TAG.findall(text)) > 1 == len(pictures_of(row.get("images"))):
        text = TAG.sub("", text)
    names = {**row.names, "problem": ("problem",)}
    return replace(row, record={**row.record, "problem": text}, names=names)
