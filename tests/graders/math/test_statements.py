"""What a careful teacher takes for the final answer of a text, and how it was found."""

import pytest

from k15.graders.math.extract.answers import extract, extract_free


@pytest.mark.parametrize(
    ("response", "answer", "how"),
    [
        # the last claim counts, whatever follows it
        ("The answer is 5. Wait, I forgot one. The answer is 6.", "6", "stated"),
        ("The answer is 5. See step 2.", "5", "stated"),
        ("The answer is 5.\n\nNote: this used 2 steps.", "5", "stated"),
        ("So 5 is the answer. It took 3 steps.", "5", "stated"),
        ("<answer>5</answer> after 3 steps", "5", "tagged"),
        (r"\boxed{5}. Hmm, I forgot the sign. Final answer: -5", "-5", "stated"),
        (r"The answer is 4. No wait: \boxed{5}", "5", "boxed"),
        (r"\boxed{5} is what you get. The answer is correct.", "5", "boxed"),
        (r"\boxed{5}, not \boxed{}", "5", "boxed"),
        # what points elsewhere or names the box holds no answer itself
        ("So she has 18. This is the final answer.", "18", "last number"),
        (r"So she has 18. The answer is within \boxed{}.", "18", "last number"),
        ("It is odd, so the answer is 18. That is the answer.", "18", "stated"),
        # what is denied or taken back is no answer
        ("The answer is not 5 but 6.", "6", "stated"),
        ("The answer isn't 5, it's 6.", "6", "stated"),
        ("The answer is 6, not 5.", "6", "stated"),
        ("5 is not the answer; 6 is.", "6", "last number"),
        ("答案不是5，而是6。", "6", "last number"),
        ("The answer is 5. That's wrong. So it is 6.", "6", "last number"),
        ("The answer is 5. No, that is not right.", None, "none"),
        ("答案是5。不对，应该是6。", "6", "last number"),
        # a question and an assumption state nothing
        ("Is the answer 5? It is 6.", "6", "last number"),
        ("If the answer is 5, then x is 2. Hence x = 3.", "x = 3", "last number"),
        # thoughts count only where nothing follows, and then for what they state
        ("<think>the answer is 4</think> It is 5.", "5", "whole"),
        ("<think>so \\boxed{4}</think>", "4", "boxed"),
        ("<think>let me see: 2 + 2 = 4", None, "none"),
        # words, lists, money, signs
        ("The answer is Evelyn.", "Evelyn", "stated"),
        (r"The answer is $\text{odd}$.", r"\text{odd}", "stated"),
        ("The answers are $3$, $5$ and $7$.", "3, 5, 7", "stated"),
        ("The answer is $5.", "$5", "stated"),
        ("She pays $80 and earns $5 a day, so she has $7.", "$7", "last number"),
        ("The answer is −3.", "−3", "stated"),
        ("Range 2–5 so the answer is 5.", "5", "stated"),
        ("The answer is 20 - 2 = 18.", "18", "stated"),
        ("The answer is the sum of 3 and 4, which is 7.", "7", "stated"),
        ("Thus the sum is 7 (which is 3 + 4).", "7", "last number"),
        ("= **18**", "18", "whole"),
        ("最终答案是：9。", "9", "stated"),
        ("小明今年12岁，爸爸40岁。答案是12。", "12", "stated"),
        ("", None, "none"),
    ],
)
def test_the_answer_of_a_text(response: str, answer: str | None, how: str) -> None:
    found = extract_free(response)
    assert (found.text, found.how) == (answer, how)


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"<think>\boxed{4}</think>\boxed{5}", "5"),
        (r"<think>\boxed{4}</think>5", None),
        (r"<think>\boxed{4}", None),
        (r"\boxed{4}</think>5", None),
        (r"\boxed{5} (I was told to use \boxed)", "5"),
        (r"\boxed{5} as I was told to use \boxed{}", None),
        ("The answer is 5.", None),
    ],
)
def test_the_box_alone_counts_for_a_reward(response: str, answer: str | None) -> None:
    assert extract(response).text == answer
