"""Inequalities, intervals, unions and differences as ranges."""

import pytest

from k15.graders.math.compare.exact import exact
from k15.graders.math.normalise import normalise


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("|x|<3", "(-3,3)", True),
        ("|2x-4|\\ge 6", r"(-\infty,-1]\cup[5,\infty)", True),
        (r"2\le x<\infty", r"[2,\infty)", True),
        (r"[1,3]\cup[2,4]", "[1,4]", True),
        (r"[1,2)\cup[2,3]", "[1,3]", True),
        (r"[1,2)\cup(2,3]", "[1,3]", False),
        (r"(-\infty,3]\cup(3,\infty)", r"\mathbb{R}", True),
        (r"(-\infty,3)\cup(3,\infty)", r"\mathbb{R}", False),
        (r"\mathbb{R}\setminus\{1,2\}", r"x\ne 1, x\ne 2", True),
        (r"\mathbb{R}\setminus\{1,2\}", r"x\ne 1", False),
        ("x>1, x<3", "(1,3)", True),
        (r"x>1 \text{ or } x<3", "(1,3)", False),
        (r"x>1 \text{ or } x<3", r"\mathbb{R}", True),
        ("x<1, x>3", r"(-\infty,1)\cup(3,\infty)", True),
        (r"x<1 \text{ or } x>3", r"y<1 \text{ or } y>3", False),
        (r"[a,b]\cup[c,d]", "[a,b]", None),  # who knows where they lie
        ("(1,10^{400})", "(1,10^{401})", False),
    ],
)
def test_ranges(one, other, same):
    assert exact(normalise(one), normalise(other)) is same
    assert exact(normalise(other), normalise(one)) is same
