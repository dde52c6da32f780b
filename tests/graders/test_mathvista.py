"""The parts of MathVista's rule, by examples worked out by hand."""

import pytest

from k15.graders.mathvista import (
    distance,
    extraction_prompt,
    normalise,
    quick_extraction,
    rule_extraction,
)

CHOICE = {"question_type": "multi_choice", "answer_type": "text", "choices": ["3/11", "8/11", "5"]}
INTEGER = {"question_type": "free_form", "answer_type": "integer", "choices": []}
FLOAT = {"question_type": "free_form", "answer_type": "float", "choices": [], "precision": 1}
LIST = {"question_type": "free_form", "answer_type": "list", "choices": []}


@pytest.mark.parametrize(
    ("extraction", "meta", "value"),
    [
        ("(b) 8/11", CHOICE, "8/11"),
        ("B", CHOICE, "8/11"),
        ("8/12", CHOICE, "8/11"),  # one edit away
        ("b", CHOICE, "5"),  # no letter: one edit from 5, four from the others
        ("(Z)", CHOICE, "5"),  # there is no such option: Z is one edit from 5
        ("3.9", INTEGER, "3"),
        (" 12 ", INTEGER, "12"),
        ("twelve", INTEGER, None),
        ("inf", INTEGER, None),
        ("1.25", FLOAT, "1.2"),  # Python rounds half to even
        ("2", FLOAT, "2.0"),
        ("two", FLOAT, None),
        ("[1, 2]", LIST, "[1, 2]"),
    ],
)
def test_normalisation(extraction: str, meta: dict, value: str | None) -> None:
    assert normalise(extraction, meta) == value


@pytest.mark.parametrize(
    ("response", "meta", "found"),
    [
        ("", INTEGER, ""),
        ("8/11", CHOICE, "8/11"),
        ("B", CHOICE, None),
        ("12", INTEGER, "12"),
        ("12.5", INTEGER, None),
        ("12.5", FLOAT, "12.5"),
        ('So: The answer is "7 apples".', INTEGER, "7 apples"),
        ("The answer is 7.", INTEGER, None),
    ],
)
def test_what_needs_no_model(response: str, meta: dict, found: str | None) -> None:
    assert quick_extraction(response, meta) == found


@pytest.mark.parametrize(
    ("response", "meta", "found"),
    [
        ("5 - 2 = 3, so \\boxed{3}. I checked 17 times.", INTEGER, ("3", "boxed")),
        ("The answer is 3, because 5 - 2 = 3.", INTEGER, ("3", "stated")),
        ("There are **4** bars; 2 are red.", INTEGER, ("4", "bold")),
        ("First 5, then 1,200.", INTEGER, ("1200", "last number")),
        ("From [1, 2] to [3, 4].", LIST, ("[3, 4]", "last number")),
        ("I cannot tell.", INTEGER, ("I cannot tell.", "whole")),
        ("I cannot tell. " * 9, INTEGER, ("", "none")),
        ("The answer is (B).", CHOICE, ("(B)", "stated")),
        ("It may be 3/11 or 8/11 " * 9, CHOICE, ("", "none")),
        ("<think>The answer is 3.</think>The answer is 4.", INTEGER, ("4", "stated")),
    ],
)
def test_our_rules(response: str, meta: dict, found: tuple[str, str]) -> None:
    assert rule_extraction(response, meta) == found


def test_edit_distance() -> None:
    assert distance("kitten", "sitting") == 3
    assert distance("", "abc") == 3 and distance("abc", "abc") == 0


def test_the_extraction_prompt_shows_examples_query_and_response() -> None:
    prompt = extraction_prompt("Question: 1+1?", "I say two.", "EXAMPLES")
    assert prompt == "EXAMPLES\n\nQuestion: 1+1?\n\nI say two.\n\nExtracted answer: "


@pytest.mark.parametrize(
    "piece",
    ['The answer is "', "**", "[", "(", "1,", "\\boxed{", "answer is ", "9", "\ud800", "</think>"],
)
def test_hostile_responses_have_an_end(piece: str) -> None:
    """Two million characters of what a rule looks for."""
    response = piece * (2_000_000 // len(piece))
    for meta in (CHOICE, INTEGER, FLOAT, LIST):
        if quick_extraction(response, meta) is None:
            extraction, how = rule_extraction(response, meta)
            assert how
            normalise(extraction, meta)
