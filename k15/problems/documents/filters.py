"""Filters say which documents are fit to learn from, each by the document alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from k15.problems.documents.source import Item, Refusal
from k15.types import Document


class Filter(ABC):
    """One reason to leave documents out."""

    @abstractmethod
    def fault(self, text: str) -> str | None:
        """What is wrong with a document's text, for a person; None if nothing is."""


def passed(item: Item, filters: Mapping[str, Filter]) -> Item:
    """The item, or a refusal under the name of the first filter that takes it for unfit."""
    if not isinstance(item, Document):
        return item
    for name, filter in filters.items():
        if fault := filter.fault(item.text):
            return Refusal(item.id, name, fault, filtered=True)
    return item
