"""The report's two rules, on outputs that a reader can count."""

import pytest

from k15.problems.test_generation.rules import Output, Thresholds, agreed, passing


def outputs(text: str) -> list[Output | None]:
    """A letter per program; a dot crashed."""
    return [None if letter == "." else Output(letter) for letter in text]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("aaaaaaabbb", "a"),  # 7 of 10
        ("bbbaaaaaaa", "a"),
        ("aaaaaabbbb", None),  # 6 of 10
        ("aaaaaaa...", "a"),  # crashes agree with nobody
        ("aaaaaa....", None),  # all that ended agree, and are too few
        ("..........", None),
        ("aaaaaaaaaa", "a"),
    ],
)
def test_a_case_is_valid_when_seven_of_ten_agree(case: str, expected: str | None) -> None:
    found = agreed(outputs(case), str.__eq__, agreeing=7)
    assert (found and found.value) == expected


def test_numbers_agree_within_a_tolerance() -> None:
    near = [Output(1 + n * 1e-7) for n in range(10)]
    found = agreed(near, lambda one, other: abs(one - other) < 5e-7, agreeing=9)
    assert found is not None and 1 + 2e-7 < found.value < 1 + 7e-7  # one from the middle
    assert agreed(near, lambda one, other: one == other, agreeing=2) is None


def test_programs_pass_that_have_every_expected_output() -> None:
    """Three cases, four programs: the second fails the last one, the third crashes on the first."""
    cases = [outputs("aa.a"), outputs("bbbb"), outputs("cdcc")]
    expected = [Output("a"), Output("b"), Output("c")]
    assert passing(cases, expected, str.__eq__) == [True, False, False, True]


@pytest.mark.parametrize(
    ("setting", "named"),
    [({"agreeing": 11}, "agreeing=11"), ({"passing": 0}, "passing=0"),
     ({"fewest_valid": 51}, "fewest_valid=51")],
)  # fmt: skip
def test_thresholds_that_cannot_be_reached_are_refused(setting: dict, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        Thresholds(**setting)
