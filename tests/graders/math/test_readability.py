"""A gold that `check` accepts gives a verdict on every response: right or wrong, never an error."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from k15.graders.math.verifier import MathVerifier

DATA = Path(__file__).parents[4] / "shared" / "data"
SAMPLED, PARTS = 500, 5
READ_BY_ONE_OF_TWO = (
    r"\mathbb{R}",
    r"\mathbb{N}",
    "17元",
    "偶数",
    r"2007 + \frac\pi 2",
    r"\text{4:30 p.m.}",
    r"\text{no solution}",
    r"\triangle ABC",
    r"\{0, 1, 2, \dots\}",
    r"\begin{cases}x=2\\y=3\end{cases}",
    r"2k\pi, k\in\mathbb{Z}",
    "204_5",
    r"\sum_{k=1}^{n} k",
    "9^{9^9}",
)
INSIDE = (
    "",
    " ",
    "?",
    "???",
    r"\square",
    r"\Box",
    r"1,2,\ldots",
    r"\dots",
    "...",
    "…",
    "-",
    "=",
    "x=",
    "=5",
    ",",
    ",,,",
    ";",
    "()",
    "[]",
    r"\{\}",
    "(,)",
    "|",
    "||",
    "null",
    "None",
    "nan",
    "NaN",
    "inf",
    "undefined",
    r"\text{}",
    r"\text{?}",
    r"\text{I don't know}",
    "\x00",
    "5\x00",
    "\ud800",
    "5\udfff",
    "\u3000",
    "\u200b",
    "\u2028",
    "🙂",
    "✅ 5",
    "是",
    "да",
    "٣",
    "नौ",
    "import os; os.abort()",
    "while True: pass",
    "<b>5</b>",
    "<script>alert(1)</script>",
    "9^{9^{9^9}}",
    "10^{10^{100}}",
    "1e999999999",
    "7" * 900,
    "1000000000!",
    r"\frac{1}{0}",
    r"\frac{",
    r"\frac{1}{",
    r"\sqrt[0]{5}",
    r"\begin{pmatrix}1&2",
    r"\begin{cases}\end{cases}",
    r"x_{",
    "^",
    "&",
    r"\\",
    "#",
    r"1\lor",
    r"\cup",
    r"\in",
    "%",
    r"\left(",
)
WHOLE = (
    "",
    "no box",
    r"\boxed",
    r"\boxed{",
    r"\boxed{5",
    "}" * 1000,
    r"\boxed{" + "{" * 10**5 + "5" + "}" * 10**5 + "}",
    r"\boxed{" * 1000,
    r"\boxed{" + "[" * 900 + "}",
    "\x00" * 100,
)


def odd_responses(whole: tuple[str, ...] = WHOLE) -> list[str]:
    return [rf"so \boxed{{{inside}}}." for inside in INSIDE] + list(whole)


def golds() -> Iterator[str]:
    """The answers in the lines of all data sets of mathematics."""
    for path in sorted(DATA.glob("*/*.jsonl")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            answer = row.get("answer", row.get("golden", row.get("gold")))
            if isinstance(answer, str | int):
                yield re.sub(r"(?s).*#### ?", "", str(answer))


@pytest.fixture(scope="module")
def verifier() -> Iterator[MathVerifier]:
    verifier = MathVerifier(workers=2, cpu_seconds=1.0)
    yield verifier
    verifier.close()


@pytest.mark.parametrize("gold", READ_BY_ONE_OF_TWO)
def test_every_response_gets_a_verdict(verifier, gold):
    verifier.check(gold)
    assert verifier.verify(rf"\boxed{{{gold}}}", gold).correct
    right = [r for r in odd_responses() if verifier.verify(r, gold).correct]
    assert right == ([r"so \boxed{9^{9^{9^9}}}."] if gold == "9^{9^{9^9}}" else [])


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="the data sets are not here")
@pytest.mark.parametrize("part", range(PARTS))
def test_every_response_gets_a_verdict_with_the_golds_of_all_data(verifier, part):
    chosen = Random(0).sample(sorted(set(golds())), SAMPLED)[part::PARTS]
    wrong = []
    for gold in chosen:
        try:
            verifier.check(gold)
        except ValueError:
            continue
        for response in odd_responses(WHOLE[:-4]):
            assert verifier.verify(response, gold).correct in (True, False)
        if not verifier.verify(rf"\boxed{{{gold}}}", gold).correct:
            wrong.append(gold)
    assert len(chosen) == SAMPLED // PARTS
    assert wrong == []
