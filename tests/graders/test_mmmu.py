"""Open answers of MMMU by number or words; options are those of `test_choices`."""

import pytest

from k15.graders.mmmu import grade_open


@pytest.mark.parametrize(
    ("response", "answers", "correct"),
    [
        ("It is 3.\nSo the final answer is 2.004", ["2"], True),
        ("The answer is 12", ["2"], False),
        (r"\boxed{24\text{ m/s}^2}", ["24"], True),
        (r"\boxed{24\text{ m/s}^2}", ["2"], False),
        (r"\boxed{1{,}500}", ["1500"], True),
        (r"\boxed{1{,}500}", ["500"], False),
        (r"\boxed{\frac12}", ["0.5"], True),
        (r"\boxed{\frac12}", ["2"], False),
        ("The answer is −3.", ["-3"], True),
        ("The answer is −3.", ["3"], False),
        (r"\boxed{x = 5}", ["5"], True),
        ("The answer is **1.414**, as the diagonal of a square.", ["1.41"], True),
        ("The answer is $1,080.50.", ["1,080.5", "about 1080"], True),
        ("The answer is 10^{400}", ["2"], False),
        ("<think>The answer is 2.</think>The answer is 3.", ["2"], False),
        ("The answer is the Treaty of Rome", ["treaty of rome"], True),
        ("The answer is Romeo", ["rome"], False),
        ("The answer is not Rome.", ["Rome"], False),
        ("The answer is Rome or Paris.", ["Rome"], False),
        ("Whatever it was,\nit was Rome.", ["Paris", "Rome"], True),
        ("", ["2", "Rome"], False),
    ],
)
def test_open_answers(response: str, answers: list[str], correct: bool) -> None:
    assert grade_open(response, answers).correct == correct


def test_a_verdict_says_what_was_read_and_why() -> None:
    number = grade_open("So the answer is 5 cm.", ["5"])
    assert (number.extracted, number.how, number.found) == ("5 cm", "number", "stated")
    text = grade_open(r"\boxed{Treaty of Rome}", ["rome"])
    assert (text.extracted, text.how, text.found) == ("Treaty of Rome", "words", "boxed")
