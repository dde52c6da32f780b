import pytest

from k15.rewards.format import FormatReward


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>2 + 2\n= 4</think>\nThe answer is $\\boxed{4}$.", 1.0),
        ("\n<think>2 + 2</think>\n\n\\boxed{4}\n", 1.0),
        ("<think></think>\\boxed{4}", 0.0),
        ("<think> \n</think>\\boxed{4}", 0.0),
        ("<think>2 + 2</think>\\boxed{}", 0.0),
        ("<think>2 + 2</think>\\boxed{ }", 0.0),
        ("<think>2 + 2</think>\\boxed{4", 0.0),
        ("<think>2</think><think>+ 2</think>\\boxed{4}", 0.0),
        ("<think>2 <think>+ 2</think>\\boxed{4}", 0.0),
        ("Well. <think>2 + 2</think>\\boxed{4}", 0.0),
        ("<think>2 + 2 \\boxed{4}</think>", 0.0),
        ("<think>2 + 2</think>4", 0.0),
        ("2 + 2</think>\\boxed{4}", 0.0),
        ("", 0.0),
    ],
)
def test_think_first_then_box_the_answer(make_group, text, expected):
    assert FormatReward().score(make_group([text])) == [expected]


def test_an_own_pattern_must_match_the_whole_text(make_group):
    reward = FormatReward(pattern=r"<answer>\d+</answer>")
    assert reward.score(make_group(["<answer>4</answer>", "<answer>4</answer>?"])) == [1.0, 0.0]


def test_a_broken_pattern_is_refused_by_name():
    with pytest.raises(ValueError, match=r"pattern '\(' is no regex"):
        FormatReward(pattern="(")
