"""Filters tell good texts from what crawlers and scanners bring, each by its own rule."""

from pathlib import Path

import pytest

from k15.problems.documents.quality import Language, Quality
from k15.problems.documents.repetition import Repetition, Scans

PROSE = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, and the "
    "people of that city have told their children about it with great pleasure ever since."
)
TEXTS = Path(__file__).parents[4] / "shared/data/text/wiki_demo.txt"


@pytest.mark.parametrize(
    ("filter", "text", "fault"),
    [
        (Repetition(), PROSE, None),
        (Repetition(), "buy now\n" * 5 + "at once\n", "4 of 6 lines come again"),
        (Repetition(), "click here " * 15, "'click here' is 100% of it"),
        (Repetition(), "a b a b", None),  # too short to tell
        (Scans(), PROSE, None),
        (Scans(), "the con-\ntent of this docu-\nment is torn", "2 marks of a bad scan in 9 words"),
        (Scans(), "(cid:12) (cid:7) read me", "2 marks of a bad scan in 6 words"),
        (Quality(english=True), PROSE, None),
        (Quality(), "## ## ## ... 12 13 14 15 16", "score 0.60: symbols, no letters"),
        (Quality(words=5), "one", None),  # one of five rules: 0.8
        (Quality(0.9, words=5), "one", "score 0.80: few words"),
        (Language(["en"]), PROSE, None),
        (Language(["zh", "de"]), PROSE, "it is in en"),
        (
            Language(["en"]),
            "这是一篇关于数学的文章，它讨论了很多有趣的问题。" * 3,
            "it is in zh",
        ),
        (Language(["zh"]), "short", None),
    ],
)
def test_by_hand(filter, text: str, fault: str | None) -> None:
    if isinstance(filter, Language):
        pytest.importorskip("py3langid")
    assert filter.fault(text) == fault


def test_articles_pass() -> None:
    """Of an encyclopedia's paragraphs few are left out."""
    if not TEXTS.is_file():
        pytest.skip("no texts there")
    texts = [text for text in TEXTS.read_text().split("\n") if len(text) > 300][:300]
    filters = (Repetition(), Scans(), Quality(english=True))
    good = [text for text in texts if not any(one.fault(text) for one in filters)]
    assert len(good) > 0.9 * len(texts)
