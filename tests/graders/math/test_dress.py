import pytest

from k15.graders.math.dress import undressed


@pytest.mark.parametrize(
    ("dressed", "bare"),
    [
        (r"\textcolor{blue}{\textbf{13}}", "13"),
        (r"{\color{red}13}", "13"),
        (r"\bm{13}", "13"),
        ("**13**", "13"),
        ("x**2 + y**2", "x**2 + y**2"),
        ("\u200b1\ufeff3", "13"),
        ("13\\\\", "13"),
        (r"{{1},{2}}", r"{1},{2}"),
        (r"{1},{2}", r"{1},{2}"),
        (r"\text{(2,-1)}", "(2,-1)"),
        (r"\text{-}13", "-13"),
        (r"\textbf{(A)}\ 12", r"(A):\ 12"),
        (r"(\textbf{A})\ 12", r"(A):\ 12"),
        (r"\textbf{A. }12", "(A):12"),
        (r"\text{A cat}", r"\text{A cat}"),
        (r"\text{Answer: }13", "13"),
        ("当x>3时", "x>3"),
        ("5小时", "5小时"),
        ("1、2", "1,2"),
        ("1331 和 1728", "1331, 1728"),
        ("小明和小红", "小明, 小红"),
        (r"x=2 \text{ or } 3", r"x=2 \lor 3"),
        ("1或2", r"1 \lor 2"),
        (r"\text{Alice and Bob}", r"\text{Alice}, \text{Bob}"),
        (r"\text{A,B}", r"\text{A}, \text{B}"),
        (r"\text{May 5, 2020}", r"\text{May 5, 2020}"),
        (r"\text{oddly or}", r"\text{oddly} \lor "),
        ("orange", "orange"),
    ],
)
def test_undressed(dressed, bare):
    assert undressed(dressed) == bare
