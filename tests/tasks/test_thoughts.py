"""Where thoughts end and the answer begins."""

import pytest

from k15.tasks.thoughts import conclusion, parted


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("The answer is 5.", "The answer is 5."),
        ("<think>a</think>b", "b"),
        ("a</think>b", "b"),  # the template wrote <think>
        ("<think>a</think>b</think>c", "c"),
        ("<think>a</think>b<think>c", "b"),
        ("<think>it goes on and on", ""),
        ("◁think▷a◁/think▷b", "b"),
        ("", ""),
    ],
)
def test_the_conclusion_follows_the_last_thoughts(response: str, answer: str) -> None:
    assert conclusion(response) == answer


def test_thoughts_that_never_end_are_the_other_part() -> None:
    assert parted("so: <think>is it 5") == ("is it 5", "so: ")
    assert parted("<think>a</think>b") == ("<think>a</think>", "b")
