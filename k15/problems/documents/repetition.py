"""Texts that say the same over and over, and what scanners leave behind."""

from __future__ import annotations

import re
from collections import Counter

from k15.problems.documents.filters import Filter

WORD = re.compile(r"\w+")
BROKEN = re.compile(r"�|\(cid:\d+\)|[ﬀ-ﬆ]\s|-\s*\n\s*\w|(?:\b\w\s){8,}")
"""Characters that could not be read, fonts without names, words torn at the end of a line, and
letters set wide."""
SHORT = 20  # words; of fewer nothing is said


class Repetition(Filter):
    """Leaves out a text of which a line, a paragraph or an n-gram of words has too large a share
    (the rules and their limits are those of Gopher, Rae et al. 2112.11446, table A1).

    `lines` is the share of lines that come again, `characters` of n-grams the share of the
    characters that the most frequent one takes.
    """

    def __init__(
        self,
        lines: float = 0.3,
        characters: tuple[tuple[int, float], ...] = ((2, 0.20), (3, 0.18), (4, 0.16)),
    ) -> None:
        self.lines = lines
        self.characters = tuple((int(size), float(share)) for size, share in characters)

    def fault(self, text: str) -> str | None:
        """As `Filter.fault`."""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        again = len(lines) - len({*lines})
        if len(lines) > 3 and again > self.lines * len(lines):
            return f"{again} of {len(lines)} lines come again"
        words = WORD.findall(text.lower())
        if len(words) < SHORT:
            return None
        for size, most in self.characters:
            grams = Counter(zip(*(words[start:] for start in range(size)), strict=False))
            gram, number = grams.most_common(1)[0]
            share = number * sum(map(len, gram)) / sum(map(len, words))
            if number > 2 and share > most:
                return f"{' '.join(gram)!r} is {share:.0%} of it"
        return None


class Scans(Filter):
    """Leaves out a text with more marks of a bad scan than `most` per thousand words: torn words,
    unreadable characters, letters set wide.
    """

    def __init__(self, most: float = 5.0) -> None:
        self.most = most

    def fault(self, text: str) -> str | None:
        """As `Filter.fault`."""
        marks = len(BROKEN.findall(text))
        words = max(1, len(WORD.findall(text)))
        if marks > self.most * words / 1000 and marks > 1:
            return f"{marks} marks of a bad scan in {words} words"
        return None
