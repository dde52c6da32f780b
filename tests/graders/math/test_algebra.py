"""Exact values, as the reader of LaTeX makes them."""

from fractions import Fraction

import pytest

from k15.graders.math.algebra.values import TooLarge, Value
from k15.graders.math.read.expressions import Reader
from k15.graders.math.read.tokens import Unreadable


def value(text: str) -> Value:
    return Reader(text).read()[0]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.2e3", 1200),
        (r"0.1\overline{6}", Fraction(1, 6)),
        (r"2\frac{1}{2}", Fraction(5, 2)),
        ("2 1/2", Fraction(5, 2)),
        (r"-1\frac34", Fraction(-7, 4)),
        (r"\frac12\cdot4", 2),
        ("2^3!", Fraction(40320)),  # (2^3)!
        (r"\binom{5}{2}", 10),
        (r"(\sqrt2+\sqrt3)(\sqrt3-\sqrt2)", 1),
        (r"\sqrt{18}\sqrt{2}", 6),
        (r"i^{10}", -1),
        (r"e^{i\pi}", -1),
        (r"\sin 30^\circ", Fraction(1, 2)),
        (r"\tan\frac{\pi}{4}", 1),
        (r"\log_2 8", 3),
        (r"\lfloor 2.7\rfloor-|-3|", -1),
    ],
)
def test_numbers(text, number):
    assert value(text).rational == number


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("(x+y)^2", "x^2+2xy+y^2", True),
        (r"\frac{x^2-1}{x-1}", "x+1", True),
        (r"\frac{1}{1+\sqrt2}", r"\sqrt2-1", True),
        (r"\sqrt[3]{16}", r"2\sqrt[3]2", True),
        (r"\sqrt{x}^2", "x", True),
        (r"\sqrt{1+x}+1", r"1+\sqrt{x+1}", True),
        (r"2\pi", r"6.28", False),
        (r"\sqrt2", r"\sqrt3", False),
        ("x+1", "x+2", False),
        (r"\sqrt{1+x}", r"\sqrt{2+x}", False),
        (r"\cos 2x", r"1-2\sin^2 x", None),
        (r"\sqrt{5+2\sqrt6}", r"\sqrt2+\sqrt3", None),
        (r"\sqrt{x^2}", "x", None),
    ],
)
def test_equals(one, other, equal):
    assert value(one).equals(value(other)) is equal
    assert value(other).equals(value(one)) is equal


def test_powers_that_nobody_can_write_out_stay_powers():
    assert value("9^{9^{9^9}}").huge
    assert value("(x+1)^{1000}").huge
    assert value("1+2004!").huge
    assert value("10^{10^{10}}").equals(value("10^{10000000000}"))
    assert not value("2^{4950}").huge


@pytest.mark.parametrize(
    "text", ["", "1 2", "x^2^3", "word", r"\foo", "(1", "x_", "5 )", r"\sqrt[0]{5}"]
)
def test_what_is_no_expression(text):
    with pytest.raises(Unreadable):
        value(text)


def test_too_many_brackets():
    with pytest.raises(TooLarge):
        value("(" * 50 + "x" + ")" * 50)
    with pytest.raises(ZeroDivisionError):
        value(r"\frac{1}{2-2}")


def test_units_stand_behind():
    assert Reader(r"5\text{ cm}^2").read()[1] == "cm^2"
    assert Reader("60 miles per hour").read()[1] == "miles per hour"
    assert Reader("2t").read()[1] == ""
