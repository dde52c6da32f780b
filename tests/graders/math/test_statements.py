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
        ("The answer is 4. It is not 5.", "4", "stated"),
        ("The answer cannot be 5. It is 6.", "6", "last number"),
        # a weak word alone takes nothing back, but a new value after a statement counts
        ("The answer is 5. Actually, it's 6.", "6", "stated"),
        ("The answer is 5, no wait, 6.", "6", "stated"),
        ("The answer is 5. Correction: 6", "6", "stated"),
        ("Wait, it is 3 a box. So the sum is 18.", "18", "last number"),
        ("Some may say the answer is 5, but it is 6.", "6", "last number"),
        # words that make something else of a number stay with it
        ("The answer is at least 5.", "at least 5", "stated"),
        ("The answer is a multiple of 5.", "multiple of 5", "stated"),
        ("The answer is 5 less than 8.", "5 less than 8", "stated"),
        ("The answer is 5 or more.", "5 or more", "stated"),
        ("The answer is 5 squared.", "5 squared", "stated"),
        ("The answer is 5th.", "5th", "stated"),
        ("The answer is 5 million.", "5 million", "stated"),
        ("The answer is 5 times 2.", "5 times 2", "stated"),
        ("The answer is minus 5.", "minus 5", "stated"),
        ("答案大于5。", "大于5", "last number"),
        ("答案是5的倍数。", "5的倍数", "stated"),
        ("答案是负5。", "负5", "stated"),
        # a number that only refers to something is no answer
        ("The remainder is 2 when divided by 5.", "2", "last number"),
        ("There are 3 pens in each of the 5 boxes.", "3 pens", "last number"),
        ("So it is 3. See equation 5.", "3", "last number"),
        ("Is it 5?", "Is it 5?", "whole"),
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
