"""The table of docs/scale.md."""

import pytest

from k15.plan import scale
from k15.plan.trace import Traced


def test_longer_sequences_are_continued() -> None:
    """1,000 tokens take 10 and 30, 3,000 take 20 and 70: 5 and 20 for each thousand more."""
    traces = {1_000: Traced(10, 30), 3_000: Traced(20, 70)}
    assert scale.at(traces, 3_000) == Traced(20, 70)
    assert scale.at(traces, 7_000) == Traced(40, 150)


def test_a_model_has_a_row_for_each_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 bytes for each of half a billion weights on one device; a part of it on more."""
    monkeypatch.setattr(scale, "of_one_sequence", lambda subject, context: Traced(0.0, context))
    head, line, *rows = scale.table(["0.5B"])
    assert head.count("|") == line.count("|") == 6 and len(rows) == len(scale.CONTEXTS)
    one, eight, many = (float(text) for text in rows[0].strip("| ").split(" | ")[2:])
    assert one > eight > many > scale.CACHE
