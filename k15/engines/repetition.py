"""When a response repeats itself: its tail is one pattern, over and over (k1.5 §2.6).

A tail of n tokens has a pattern of p tokens if each of its last n - p tokens is the one p before.

Legend: P pattern lengths, T tokens, B rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from k15.engines.protocol import Repetition


def first_repetition(tokens: Sequence[int], rule: Repetition, start: int = 0) -> int | None:
    """The smallest end > `start` such that `tokens[:end]` repeats itself; None if there is none.

    The tail may begin before `start`, so that a loop across a segment border is found.
    """
    token_T = np.asarray(tokens)
    lengths_P1 = np.arange(1, rule.max_pattern + 1)[:, None]
    place_T = np.arange(len(token_T))
    back_PT = place_T - lengths_P1
    same_PT = (token_T[np.maximum(back_PT, 0)] == token_T) & (back_PT >= 0)
    last_break_PT = np.maximum.accumulate(np.where(same_PT, -1, place_T), axis=1)
    complete_PT = place_T - last_break_PT >= rule.tokens - lengths_P1
    ends = np.flatnonzero(np.any(complete_PT, axis=0)[start:])
    return int(ends[0]) + start + 1 if len(ends) else None


def repeats_at_end(tails_BT: np.ndarray, rule: Repetition) -> np.ndarray:
    """[B] whether each row repeats itself.

    `tails_BT` are the last `rule.tokens` tokens of each row; rows that have fewer are filled up in
    front with distinct negative numbers.
    """
    found_B = np.zeros(len(tails_BT), dtype=bool)
    for length in range(1, rule.max_pattern + 1):
        found_B |= (tails_BT[:, length:] == tails_BT[:, :-length]).all(axis=1)
    return found_B
