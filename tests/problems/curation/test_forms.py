"""Forms that are left out of the prompt set, and what only looks like one of them."""

import pytest

from k15.problems.curation.forms import empty, multiple_choice, proof, true_or_false
from k15.types import Problem


def asked(text: str, answer: str | None = "4", **more: str) -> Problem:
    return Problem(id="1", prompt=({"role": "user", "content": text},), answer=answer, **more)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("What is 2+2? (A) 3 (B) 4 (C) 5", "4"),
        ("What is 2+2?\nA. 3\nB. 4\nC. 5\nD. 6", "B"),
        (r"How much? $\textbf{(A)}\ 13\qquad \textbf{(B)}\ 15\qquad \textbf{(C)}\ 17$", "17"),
        (r"It is: $\text{(A) } \frac {1}{10} \qquad \text{(B) } \frac {1}{9}$", r"\text{(B)}"),
        ("Which of the following is prime? A) 4 B) 5", "5"),
        ("Which of the following statements hold for all n?", "A, C"),
        ("Select the correct option.\n(a) red\n(b) blue", "b"),
        ("下列说法正确的是（  ）\nA．三角形有四个角  B．圆是平面图形  C．线段无端点", "B"),
        ("以下哪个数是质数？A、4 B、6 C、7 D、9", "C"),
        ("下列各数中，属于无理数的是：", "D"),
        ("单选题：2+2 等于多少", "4"),
    ],
)
def test_multiple_choice(text: str, answer: str) -> None:
    removal = multiple_choice(asked(text, answer))
    assert removal is not None and removal.reason == "multiple choice"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Points A, B and C lie on a line. Find AB.", "4"),
        ("In triangle ABC, angle A is 40 and angle B is 60. Find C.", "80"),
        ("Which of the following numbers from 1 to 9 are prime? List them.", "2, 3, 5, 7"),
        (r"Let $f(a)=2$, $f(b)=3$ and $f(c)=4$. Find $a+b+c$.", "9"),
        ("甲、乙、丙三人共有 12 元，甲有几元？", "4"),
        ("A: 3 apples. How many has B?", "B"),
    ],
)
def test_letters_alone_are_no_options(text: str, answer: str) -> None:
    assert multiple_choice(asked(text, answer)) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("True or false: 7 is prime.", "True"),
        ("Is 91 a prime number?", r"\text{No}"),
        ("True or false: 7 is prime. Write T or F.", "T"),
        ("Determine whether the statement is true: 2 > 3.", None),
        ("判断题：0 是自然数。", "对"),
        ("三角形的内角和是否等于180度？", "是"),
        ("下面的说法对还是错：1是质数。", "×"),
    ],
)
def test_true_or_false(text: str, answer: str | None) -> None:
    removal = true_or_false(asked(text, answer))
    assert removal is not None and removal.reason == "true or false"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("It is true or false, depending on x, that x > 3. For which x is it true?", "x>3"),
        ("Find the true statement's number.", "2"),
        ("小明是否有足够的钱？他还差多少元？", "3"),
    ],
)
def test_truth_alone_is_no_question_of_it(text: str, answer: str) -> None:
    assert true_or_false(asked(text, answer)) is None


@pytest.mark.parametrize(
    "text",
    [
        "Prove that there are infinitely many primes.",
        "Let n be even. Show that n^2 is even.",
        "Let $a,b>0$. Then prove: $a+b \\ge 2\\sqrt{ab}$.",
        "Prove or disprove: every group of order 4 is abelian.",
        "Give a rigorous proof of Fermat's little theorem.",
        "设 n 为偶数，求证：n² 为偶数。",
        "请证明：三角形内角和为180度。",
    ],
)
def test_proof(text: str) -> None:
    removal = proof(asked(text, None))
    assert removal is not None and removal.reason == "proof"


@pytest.mark.parametrize(
    "text",
    [
        "Prove that x > 0, and find its least value.",
        "Find x. Show your work.",
        "Euler proved that the sum is pi^2/6. What is the sum of the first two terms?",
        "How many proofs did she write?",
        "The picture is shown. Show the steps and compute 2+2.",
        "他用身份证明了自己，他今年多少岁？",
    ],
)
def test_a_question_beside_a_proof_stays(text: str) -> None:
    assert proof(asked(text, "4")) is None


def test_programs_may_prove_what_they_like() -> None:
    assert proof(asked("Show that it works: print the sum.", None, domain="code")) is None


def test_two_words_are_no_question() -> None:
    assert empty(asked("Hello there")) is not None
    assert empty(asked("3+4=?")) is None  # four words: 3, +, 4, =
