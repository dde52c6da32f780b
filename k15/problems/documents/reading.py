"""Records as documents: a text, with pictures where it says `<image>`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from k15.config.errors import ConfigError
from k15.problems.documents.source import HELD_OUT_ONE_IN, Item, Refusal
from k15.problems.pictures import TAG, Picture, in_order, picture
from k15.problems.pools import listed
from k15.problems.rows import Names, Row, renamed
from k15.questions import Split, fingerprint, is_held_out
from k15.types import Document


class Records:
    """Makes documents of records.

    `fields` says what they call the parts (text, images, id). A picture stands where the text has
    `<image>`; without any such place, all come first. Pictures are read at once: what cannot be
    read is a refusal.
    """

    FIELDS: ClassVar[Names] = {
        "id": ("id", "key", "__key__"),
        "text": ("text", "caption", "content"),
        "images": ("images", "image"),
    }

    def __init__(
        self, folder: Path, fields: Mapping[str, str | Sequence[str] | None] | None = None
    ) -> None:
        self.folder = folder
        self.names = renamed(self.FIELDS, fields)

    def row(self, record: Mapping[str, Any], place: str) -> Row:
        """A record and where it stands."""
        return Row(place, record, self.names, setting="corpus.sources.path")

    def item(self, record: Mapping[str, Any], place: str) -> Item:
        """The document, or why there is none."""
        row = self.row(record, place)
        id = place
        try:
            id = row.identity(place)
            text = row.verbatim("text")
            if not text.strip():
                return Refusal(id, "empty", f"{place}: no text")
            row.clean("text", text)
            given = listed(row.get("images"))
            pictures = [
                picture(one, row, "images", folder=self.folder, label=place)
                for one in in_order(text, given)
            ]
            return self._document(id, text, pictures)
        except ConfigError as error:
            return Refusal(id, reason_of(error), str(error))

    def _document(self, id: str, text: str, pictures: list[Picture]) -> Item:
        parts = parts_of(text, len(pictures))
        for one in pictures:
            one.check()
        images = tuple(one.load() for one in pictures)
        return Document(id=id, parts=parts, images=images)


def parts_of(text: str, pictures: int) -> tuple[str | None, ...]:
    """A text with its places for pictures; without any, all come first.

    Raises ConfigError if there are other than one place per picture.
    """
    texts = TAG.split(text)[::2]
    places = len(texts) - 1
    if places != pictures and places:
        raise ConfigError(
            f"its text has {places} places for pictures (<image>) and it has {pictures} of them"
        )
    if not places:
        return (*(None,) * pictures, text)
    parts: list[str | None] = [texts[0]]
    for piece in texts[1:]:
        parts += [None, piece]
    return tuple(part for part in parts if part is None or part)


def side_of(item: Item, one_in: int = HELD_OUT_ONE_IN) -> Split:
    """Whether a document is held out, which its text alone decides; refusals are told in
    training.
    """
    if not isinstance(item, Document):
        return "train"
    return "held_out" if is_held_out(fingerprint(item.text), one_in) else "train"


KINDS = {
    "no such file": "missing picture",
    "pixels; scale": "picture too large",
    "exceeds limit": "picture too large",  # Pillow's own
    "cannot be read as a picture": "broken picture",
    "places for pictures": "places and pictures differ",
    "names picture": "places and pictures differ",
}


def reason_of(error: ConfigError) -> str:
    """A kind to be counted."""
    return next((kind for words, kind in KINDS.items() if words in str(error)), "not a document")
