"""What a field may hold: text and numbers become text, all else is named."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from k15.problems.values import as_text, described, flaw, level_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (27.0, "27"),
        (-1, "-1"),
        (0.5, "0.5"),
        (-0.0, "0"),
        (1e-7, "0.0000001"),
        (1e22, "1" + "0" * 22),
        (10**30, "1" + "0" * 30),
        (Decimal("4.50"), "4.5"),
        (np.float32(0.1), "0.1"),
        (np.int64(7), "7"),
        ("073", "073"),
        (" 4.0 ", "4.0"),
    ],
)
def test_numbers_are_written_out_and_text_stays(value: Any, text: str) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    "value",
    [None, "", " \n", True, np.bool_(False), float("nan"), float("inf"), -np.inf, b"4", ["4"],
     ("4",), {"value": "4"}, np.array([4]), 4j],
)  # fmt: skip
def test_all_else_is_no_text(value: Any) -> None:
    assert as_text(value) is None


@pytest.mark.parametrize(
    ("value", "level"),
    [(3, 3), ("Level 3", 3), (3.0, 3), ("Level ?", None), (None, None), (float("nan"), None),
     (True, None), (["3"], None), ("9" * 5000, None)],
)  # fmt: skip
def test_a_level_is_the_number_that_a_field_says(value: Any, level: int | None) -> None:
    assert level_of(value) == level


def test_half_a_character_and_nul_are_flaws() -> None:
    assert flaw("x\ud800") == "holds half a surrogate pair (\\ud800 at character 2)"
    assert flaw("\0") == "holds NUL (\\u0000 at character 1)"
    assert flaw("é \U0001d54f \u2028") is None


def test_a_value_is_shown_with_what_it_is() -> None:
    assert described(["4"]) == "['4'] (a list)"
    assert described([["4"]]) == "[['4']] (a list)"
    assert described({"value": "4"}) == "{'value': '4'} (a mapping)"
    assert described(float("nan")) == "nan (a number)"
    assert described(False) == "False (true or false)"
    assert described(b"4") == "b'4' (bytes; decode them)"
    assert described(None) == "None (null)"
    chat = [{"role": "user", "content": "1+1?"}]
    assert described(chat).endswith("(chat messages; give the text of the question)")
    assert described("x" * 10**6) == "'" + "x" * 79 + "... (text)"
