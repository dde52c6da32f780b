import pytest

from k15.graders.math.extract.answers import extract, extract_choice, extract_free


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"so \boxed{5}", "5"),
        (r"\boxed{4}, no, wait: \boxed{5}.", "5"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed {5}", "5"),
        (r"\boxed{\boxed{5}}", "5"),
        (r"\boxed{x=\boxed{5}}", "5"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\left\{1,2\right.}", r"\left\{1,2\right."),
        (r"\boxed{}", None),
        (r"\boxed{5", None),
        (r"\boxed{4} and \boxed{\frac{1}{2}", None),
        ("5", None),
        ("", None),
    ],
)
def test_extract(response, answer):
    assert extract(response).text == answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("The final answer is $x = 5$. I hope it is correct.", "x = 5"),
        (r"\boxed{4} was wrong. Final Answer: the sum is $5$.", "5"),
        (r"Final answer: \boxed{5}", "5"),
        ("from 5 and 7 we get 12.", "12"),
        ("from $x$ and $y$ we get 1,234.5€", "1,234.5"),
        ("$1$, $2$ and $3$", "1, 2, 3"),
        (r"\boxed{k = 4} \text{ and } \boxed{n = 2}", "k = 4, n = 2"),
        (r"$p_1 = \boxed{1}$ and $p_2 = \boxed{2}$", "1, 2"),
        (r"\boxed{4}, no, wait: \boxed{5}.", "5"),
        (r"\boxed{1} is not it, it is rather \boxed{2}", "2"),
        ("<think>is it 4?</think> 5", "5"),
        ("一共18个，每个2元，所以是 36。", "36"),
        ("25 %", "25 %"),
        (r"-\frac{10}{9}", r"-\frac{10}{9}"),
        ("AZYUK2A", None),
        ("", None),
    ],
)
def test_extract_free(response, answer):
    assert extract_free(response).text == answer


@pytest.mark.parametrize(
    ("response", "letter"),
    [
        ("C", "C"),
        ("(B) because A is too small", "B"),
        ("D. it can't be A or B", "D"),
        ("The answer: D, it doesn't make sense for it to be A or B", "D"),
        ("thinking about it, the correct answer is **C**", "C"),
        (r"A is wrong, so \boxed{\text{(E)}}", "E"),
        ("因此，正确答案是C。", "C"),
        ("La réponse est B.", "B"),
        ("Правильный ответ: Б", "Б"),
        ("none of these", None),
    ],
)
def test_extract_choice(response, letter):
    assert extract_choice(response).text == letter
