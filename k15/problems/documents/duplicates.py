"""Documents that say what another one before them says: found by MinHash and compared word by word,
as questions are (`k15.problems.curation.duplicates`).
"""

from __future__ import annotations

from collections.abc import Sequence

from k15.config.errors import ConfigError
from k15.problems.curation.duplicates import BANDS, PERMUTATIONS, SEED, jaccard
from k15.problems.curation.words import shingles, words

SIZE = 5  # words of a shingle


def duplicates(texts: Sequence[str], threshold: float) -> dict[int, int]:
    """Place of a text that is the same as one before it, or nearly -> place of that one.

    Nearly is a share of at least `threshold` of the shingles that either has. Raises ConfigError
    where rensa is not installed.
    """
    try:
        from rensa import RMinHash, RMinHashLSH
    except ImportError as error:
        raise ConfigError(
            "near_duplicates: to find them, pip install 'k15[curation]'; null keeps them"
        ) from error
    index = RMinHashLSH(threshold, PERMUTATIONS, BANDS)
    kept: dict[int, frozenset[str]] = {}
    found: dict[int, int] = {}
    for place, text in enumerate(texts):
        own = shingles(words(text), SIZE)
        sketch = RMinHash(PERMUTATIONS, SEED)
        sketch.update(sorted(own))
        alike = (near for near in sorted(index.query(sketch)) if near in kept)
        same = next((near for near in alike if jaccard(own, kept[near]) >= threshold), None)
        if same is None:
            kept[place] = own
            index.insert(place, sketch)
        else:
            found[place] = same
    return found
