"""Which option a response chooses."""

import pytest

from k15.graders.choices import chosen, listed

WORDS = ["red", "dark red", "blue"]


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("\\boxed{B}", "B"),
        ("\\boxed{\\text{(C)}}", "C"),
        ("\\boxed{dark red}", "B"),
        ("\\boxed{(B) dark red}", "B"),
        ("(A) looks right, but the answer is **C**.", "C"),
        ("The answer is: dark red, because ...", "B"),
        ("The correct option is (b).", "B"),
        ("答案是B", "B"),
        ("First I took (A). Then (C).", "C"),
        ("It has to be blue.", "C"),
        ("<think>The answer is A.</think>The answer is B.", "B"),
        ("B", "B"),
        ("B. dark red", "B"),
        ("(B)", "B"),
        ("It is dark red.", "B"),  # which holds the text of A
        ("It is blue, not red.", "C"),
        ("Neither red nor dark red, so blue.", "C"),
        ("It is not blue.", None),
        ("red or blue", None),
        ("\\boxed{green}", None),
        ("\\boxed{D}", None),  # there is no fourth option
        ("A rather difficult question.", None),
        ("", None),
    ],
)
def test_the_option_of_a_response(response: str, letter: str | None) -> None:
    assert chosen(response, WORDS).text == letter


def test_letters_as_options_are_not_found_in_words() -> None:
    assert chosen("A bad idea, Dad.", ["A", "B", "C", "D"]).text is None
    assert chosen("Answer: D", ["A", "B", "C", "D"]).text == "D"


def test_an_option_that_looks_like_a_letter_is_found_by_its_text() -> None:
    """`(b)` may be the third option's text; written exactly so it is that."""
    assert chosen("\\boxed{(b)}", ["(c)", "(a)", "(b)"]).text == "C"
    assert chosen("\\boxed{B}", ["(c)", "(a)", "(b)"]).text == "B"


def test_numbers_as_options_are_not_parts_of_other_numbers() -> None:
    numbers = ["5", "10", "15"]
    for response in ("The answer is 5.5", "-5", "1,005", "5 + 10"):
        assert chosen(response, numbers).text is None
    assert chosen("There are 15 in total.", numbers).text == "C"


def test_options_are_listed_with_their_letters() -> None:
    assert listed(["x", "y"]) == "(A) x\n(B) y"
