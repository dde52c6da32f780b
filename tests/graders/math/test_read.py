"""Kinds of answers that are no quantity: words, figures, numerals, times, lists of solutions."""

import pytest

from k15.graders.math.normalise import normalise
from k15.graders.math.read.answers import read
from k15.graders.math.read.figures import figure_of
from k15.graders.math.read.kinds import Equation, Figure, Group, Numeral, Quantity, Words
from k15.graders.math.read.numerals import numeral_of
from k15.graders.math.read.times import clock_of, date_of
from k15.graders.math.read.words import is_word


@pytest.mark.parametrize(
    "run", ["no", "on", "NO", "IV", "odd", "god", "tan", "ABC", "Sun", "even", "是", "上海", "да"]
)
def test_words(run):
    assert is_word(run)
    assert isinstance(read(run), Words)
    assert read(rf"\text{{{run}}}") == read(run)


@pytest.mark.parametrize(
    "run", ["x", "A", "AB", "CD", "ab", "dx", "abc", "cab", "xyz", "mnp", "πr"]
)
def test_products(run):
    assert not is_word(run)
    assert isinstance(read(run), Quantity)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (r"\text{No Solutions.}", "no solution"),
        (r"\text{a circle}", "circle"),
        ("The parabola", "parabola"),
        ("yes", "yes"),
        ("one-to-one", "one to one"),
        (r"\square", r"\square"),
        (r"3 \ne 5 = 5", r"3 \ne 5 = 5"),
    ],
)
def test_words_are_spelled_in_one_way(text, word):
    assert read(text) == Words(word)


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        (r"\triangle CAB", Figure("triangle", ("A", "B", "C"))),
        (r"\text{triangle } BCA", Figure("triangle", ("A", "B", "C"))),
        (r"\angle CBA", Figure("angle", ("A", "B", "C"))),
        (r"\angle BCA", Figure("angle", ("A", "C", "B"))),
        (r"\overline{BA}", Figure("segment", ("A", "B"))),
        ("线段BA", Figure("segment", ("A", "B"))),
        (r"\overrightarrow{BA}", Figure("vector", ("B", "A"))),
        (r"\square CDAB", Figure("quadrilateral", ("A", "B", "C", "D"))),
        (r"\square ACBD", Figure("quadrilateral", ("A", "C", "B", "D"))),
        (r"DC\perp BA", Figure("perp", ("AB", "CD"))),
        ("ABC", None),
        (r"\overline{3}", None),
    ],
)
def test_figures(text, figure):
    assert figure_of(text) == figure


@pytest.mark.parametrize(
    ("text", "numeral"),
    [
        ("(204)_{5}", Numeral("204", 5)),
        (r"1\text{a}_{16}", Numeral("1A", 16)),
        (r"204_{\text{base five}}", Numeral("204", 5)),
        (r"-37 \text{ base } 8", Numeral("-37", 8)),
        ("78_8", None),
        ("A_1", None),
        ("a_n", None),
    ],
)
def test_numerals(text, numeral):
    assert numeral_of(text) == numeral


def test_times_and_dates():
    assert clock_of(r"4:30\text{ p.m.}").clock == (16200, "p")  # 4.5 hours
    assert clock_of("16:30").clock == (16200, "p")
    assert clock_of("4 pm").clock == (14400, "p")
    assert clock_of("4:61") is None
    assert date_of("May 5, 2020") == date_of("5 May 2020") == date_of("2020年5月5日")
    assert date_of("May") is None


def test_names_that_come_again_start_the_next_solution():
    pairs = read("p=5,q=2,p=7,q=2")
    assert pairs.kind == ","
    assert [pair.kind for pair in pairs.items] == ["()", "()"]
    assert all(isinstance(side, Equation) for pair in pairs.items for side in pair.items)


def test_cases_are_lists_or_pieces():
    system = read(normalise(r"\left\{\begin{array}{l}x=2\\y=3\end{array}\right."))
    assert (system.kind, [item.name for item in system.items]) == (",", ["x", "y"])
    pieces = read(r"\begin{cases}x & \text{if } x\ge 0 \\ -x & x<0\end{cases}")
    assert (pieces.kind, [type(piece) for piece in pieces.items]) == ("{}", [Group, Group])
