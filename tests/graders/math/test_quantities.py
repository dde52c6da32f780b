"""Quantities: what counts as a unit, what multiplies, and how digits may be written.

Whole verdicts are in equivalences.tsv and test_writings.py; here are the parts.
"""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import pytest

from k15.graders.math.algebra.values import PI, atom, number
from k15.graders.math.normalise import normalise
from k15.graders.math.read.kinds import Quantity, Words
from k15.graders.math.read.quantities import quantity, worded
from k15.graders.math.read.spelled import multiplied, spelled
from k15.graders.math.read.units import NONE, looked_up, spelled_unit, unit_of

NO_UNITS = ["or more", "is not correct", "below zero", "squared", "factorial", "base two", "is",
            "hundredths", "too many", "less apples", "K dollars", "million", "x", "nope", "apple",
            "th", "as", "km^{10^9}", "m^99", "个半", "个以上", "个或", "倍多", "/", "^2", "per",
            "apples, pears", "," * 30, "m " * 30, "a" * 61, "\ud800s", "\x00"]  # fmt: skip
NO_NUMBERS = ["a", "an apple", "million", "百", "十十", "half" * 30, "一" * 61, ""]


@pytest.mark.parametrize(
    ("words", "same"),
    [
        ("square centimeters", "cm^{2}"),
        ("sq. ft.", "feet squared"),
        ("cubic inches", "in^3"),
        ("miles per hour", "mph"),
        ("km/h", r"km\cdot h^{-1}"),
        ("m s^{-2}", "meters per second per second"),
        ("US dollars", "$"),
        ("years old", "year"),
        ("cups of sugar", "cup"),
        ("KM", "kilometres"),
        ("千米/小时", "km/h"),
        ("平方厘米", "cm^2"),
        ("apples", "apples left"),
    ],
)
def test_spellings_of_one_unit(words, same):
    unit, other = unit_of(words), unit_of(same)
    assert unit.convert(number(7), other).rational == 7


@pytest.mark.parametrize(
    ("value", "unit", "other", "converted"),
    [
        ("1", "m", "cm", "100"),
        ("3", "feet", "yards", "1"),
        ("1.5", "hours", "minutes", "90"),
        ("36", "km/h", "m/s", "10"),
        ("1", "L", "cm^3", "1000"),
        ("2", "dollars", "cents", "200"),
        ("20", "degC", "degF", "68"),  # 20 * 9/5 + 32
        ("0", "degC", "K", "273.15"),
        ("5", "斤", "千克", "2.5"),
        ("1", "day", "hours", "24"),
    ],
)
def test_units_of_one_dimension_convert_exactly(value, unit, other, converted):
    found = unit_of(unit).convert(number(Fraction(value)), unit_of(other))
    assert found.rational == Fraction(converted)


def test_degrees_are_radians_with_pi():
    half_turn = unit_of("degrees").convert(number(180), unit_of("radians"))
    assert half_turn.equals(atom(PI)) is True


@pytest.mark.parametrize(
    ("unit", "other"),
    [("m", "m^2"), ("m", "s"), ("dollars", "euros"), ("apples", "eggs"), ("m", "apples")],
)
def test_different_dimensions_do_not_convert(unit, other):
    assert unit_of(unit).convert(number(1), unit_of(other)) is None


@pytest.mark.parametrize("words", NO_UNITS)
def test_what_is_no_unit(words):
    assert unit_of(words) is None


def test_units_that_say_nothing():
    assert {unit_of(words) for words in ("", " ", "units", "square units", "units^2")} == {NONE}


def test_a_singular_goes_with_at_most_one():
    assert unit_of("apple", single=True).name == "apple"
    assert quantity("1 apple").unit.name == "apple"
    assert isinstance(quantity("2 apple"), Words)


def test_units_are_looked_up_from_any_thread():
    """pint's table grows while it is asked."""
    names = [f"{prefix}meter{s}" for prefix in ("kilo", "centi", "nano", "giga") for s in ("", "s")]
    looked_up.cache_clear()
    spelled_unit.cache_clear()
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(unit_of, names * 20))
    assert [str(unit.scale.rational) for unit in found[::2]][:4] == [
        "1000",
        "1/100",
        "1/1000000000",
        "1000000000",
    ]


@pytest.mark.parametrize(
    ("text", "value", "rest"),
    [
        ("twenty-one", "21", ""),
        ("three hundred five thousand twelve", "305012", ""),
        ("a hundred twenty", "120", ""),
        ("two million people", "2000000", "people"),
        ("half", "1/2", ""),
        ("half a dozen eggs", "6", "eggs"),
        ("half an hour", "1/2", "hour"),
        ("three quarters", "3/4", ""),
        ("two 1/2 million", "2500000", ""),
        ("三百二十一元", "321", "元"),
        ("一百零五", "105", ""),
        ("两千", "2000", ""),
        ("一亿二千万", "120000000", ""),
        ("三点五", "7/2", ""),
        ("五分之三", "3/5", ""),
        ("一半", "1/2", ""),
    ],
)
def test_numbers_in_words(text, value, rest):
    assert spelled(text) == (Fraction(value), rest)


@pytest.mark.parametrize(
    "text", ["a", "an apple", "million", "百", "十十", "half" * 30, "一" * 61, ""]
)
def test_what_is_no_number_in_words(text):
    assert spelled(text) is None


@pytest.mark.parametrize(
    ("tail", "factor", "rest"),
    [
        ("million dollars", "1000000", "dollars"),
        ("hundred thousand", "100000", ""),
        ("dozen eggs", "12", "eggs"),
        ("hundredths", "1/100", ""),
        ("tenths of a mile", "1/10", "mile"),
        ("万元", "10000", "元"),
        ("apples", "1", "apples"),
    ],
)
def test_words_that_multiply(tail, factor, rest):
    assert multiplied(tail) == (Fraction(factor), rest)


@pytest.mark.parametrize(
    ("writing", "plain"),
    [
        (r"\$1,200", r"\$1200"),
        ("x=1,200", "x=1200"),
        ("1,200, 1,300", "1200, 1300"),
        ("(1,200)", "(1,200)"),
        ("(1,200, 3)", "(1200, 3)"),
        (r"\frac{1}{1,000}", r"\frac{1}{1000}"),
        ("1,2000", "1,2000"),
        ("0,125", "0.125"),
        ("1.200,50", "1200.50"),
        ("1.234.567", "1234567"),
        ("12 345 km", "12345 km"),
        ("1'234", "1234"),
        (r"0.\dot{1}4285\dot{7}", r"0.\overline{142857}"),
        (r"0.1\dot6", r"0.1\overline{6}"),
        ("0.(3)", r"0.\overline{3}"),
        ("2 and a half", "2 1/2"),
        ("one hundred and five", "one hundred five"),
        ("百分之五十", "五十%"),
        ("5分之3", r"\frac{3}{5}"),
        (r"3+4\mathrm{i}", "3+4 i"),
        ("20℃", r"20\text{degC}"),
    ],
)
def test_one_writing_of_a_number(writing, plain):
    assert normalise(writing) == plain


@pytest.mark.parametrize(
    ("text", "value", "percent"),
    [
        (r"-\$5", "-5", False),
        (r"\$-5", "-5", False),
        ("5 dollars", "5", False),
        (r"\$2.5\text{ million}", "2500000", False),
        ("50%", "50", True),
        (r"5\permil", "1/200", False),
        ("3千米", "3", False),
        ("3千元", "3000", False),
        (r"\text{18 apples}", "18", False),
        (r"\approx 18", "18", False),
    ],
)
def test_quantities(text, value, percent):
    found = quantity(text)
    assert isinstance(found, Quantity)
    assert (found.value.rational, found.percent) == (Fraction(value), percent)


def test_a_number_with_other_words_behind_is_a_text_with_its_signs():
    assert quantity(r"5\text{ or more}") == Words("5 or more")
    assert quantity(r"-5\text{ or more}") == Words("-5 or more")


def test_words_that_are_more_than_a_number_are_left_as_words():
    assert worded(r"\text{two lines}") == Words("two lines")
    assert worded(r"\text{two lines}").count.value.rational == 2
    assert worded("三角形") is None
    assert worded("three hours").unit.name == "hour"
