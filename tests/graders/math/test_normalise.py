import pytest

from k15.graders.math.normalise import normalise


@pytest.mark.parametrize(
    ("spelling", "normal"),
    [
        (r"\dfrac{1}{2}", r"\frac{1}{2}"),
        (r"\left( 1, 2 \right)", "(1, 2)"),
        (r"\leftarrow", r"\leftarrow"),
        ("10,000", "10000"),
        (r"10{,}000", "10000"),
        (r"10,\! 000,\!000", "10000000"),
        (r"1\,000\,000.5", "1000000.5"),
        (r"\frac{1}{20,\!000}", r"\frac{1}{20000}"),
        ("(1,234)", "(1,234)"),
        ("0,111", "0.111"),
        ("1, 234", "1, 234"),
        ("2 1/2", "2 1/2"),
        ("2½", "2 1/2"),
        (r"$5$.", "5"),
        (r"\$ 5.", r"\$5"),
        ("- 5", "-5"),
        ("x <= 1", r"x\le 1"),
        ("x² ≥ −3", r"x^{2}\ge-3"),
        ("28 percent", "28%"),
        (r"1 \text{ and } 2", "1, 2"),
        (r"\text{(A)}", "(A)"),
        (r"\\frac{1}{2}", r"\frac{1}{2}"),
    ],
)
def test_normalise(spelling, normal):
    assert normalise(spelling) == normal
