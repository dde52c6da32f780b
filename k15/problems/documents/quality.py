"""How good a text is, and in which language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from k15.config.errors import ConfigError
from k15.problems.documents.filters import Filter

WORD = re.compile(r"\S+")
STOP_WORDS = frozenset({"the", "be", "to", "of", "and", "that", "have", "with"})
"""English words of which prose has two at least (Rae et al. 2112.11446, A1.1)."""
LONG_WORD, MOST_SYMBOLS, LETTERS = 10.0, 0.1, 0.8
CHARACTERS = 1000  # by which a language is told


class Quality(Filter):
    """Leaves out a text whose `score` is below `least`: the share of these that it passes - enough
    words, words of usual length, few symbols, most words with a letter, and in prose of English
    (`english`) some of its most frequent words (rules of Gopher, Rae et al. 2112.11446, A1.1).
    """

    def __init__(self, least: float = 0.8, *, words: int = 5, english: bool = False) -> None:
        if not 0 <= least <= 1:
            raise ConfigError(f"filters: quality of least={least}: a score is from 0 to 1")
        self.least, self.words, self.english = least, words, english

    def fault(self, text: str) -> str | None:
        """As `Filter.fault`."""
        score, failed = self.score(text)
        return f"score {score:.2f}: {', '.join(failed)}" if score < self.least else None

    def score(self, text: str) -> tuple[float, list[str]]:
        """From 0 to 1, and what it lacks."""
        words = WORD.findall(text)
        number = max(1, len(words))
        mean = sum(map(len, words)) / number
        symbols = text.count("#") + text.count("...") + text.count("…")
        lettered = sum(any(letter.isalpha() for letter in word) for word in words)
        bulleted = sum(line.lstrip().startswith(("•", "-", "*")) for line in text.splitlines())
        checks = {
            "few words": len(words) >= self.words,
            "odd lengths of words": mean <= LONG_WORD,
            "symbols": symbols <= MOST_SYMBOLS * number,
            "no letters": lettered >= LETTERS * number * 0.5,
            "bullets": bulleted <= 0.9 * max(1, len(text.splitlines())),
        }
        if self.english:
            checks["no prose"] = len(STOP_WORDS & {word.lower() for word in words}) >= 2
        failed = [name for name, good in checks.items() if not good]
        return 1 - len(failed) / len(checks), failed


class Language(Filter):
    """Leaves out a text in another language than these (codes such as en, zh), as the library
    py3langid tells it. Texts of less than `characters` are not judged.
    """

    def __init__(self, languages: Sequence[str], *, characters: int = 40) -> None:
        self.languages = tuple(languages)
        self.characters = characters

    @cached_property
    def _told(self) -> Any:
        try:
            import py3langid
        except ImportError as error:
            raise ConfigError(
                "filters: to tell languages apart, pip install 'k15[corpora]'"
            ) from error
        return py3langid

    def fault(self, text: str) -> str | None:
        """As `Filter.fault`."""
        if len(text) < self.characters:
            return None
        found, _ = self._told.classify(text[:CHARACTERS])
        return None if found in self.languages else f"it is in {found}"
