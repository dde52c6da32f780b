import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from k15.evaluation.formulas import LONGEST, FormulaBook, to_mathml, write


def together(book, parts):
    """The text that the parts were made from."""
    return "".join(
        p if isinstance(p, str) else book.entries[p][0] if isinstance(p, int) else p[1]
        for p in parts
    )


def test_formulas_between_all_delimiters_are_found_and_kept_once():
    book = FormulaBook()
    parts = book.parts(r"So $x^2$, \(y\), \[z\] and $$w$$; again $x^2$.")
    assert parts == ["So ", 0, ", ", 1, ", ", 2, " and ", 3, "; again ", 0, "."]
    assert book.entries[0][1] == (
        '<math display="inline"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>'
    )
    assert [entry[1].startswith('<math display="block">') for entry in book.entries] == [
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and then $6.",
        "From $10 to $20, $30",
        r"only \$5 and \$6",
        "a paragraph $x\n\nand y$ another",
        "$",
        r"\boxed{Wednesday}",
    ],
)
def test_money_and_stray_dollars_are_text(text):
    assert FormulaBook().parts(text) == [text]


def test_environments_and_boxes_without_dollars_are_formulas():
    book = FormulaBook()
    parts = book.parts(
        "\\begin{align*}a&=b\\end{align*} gives \\boxed{\\frac{1}{2}} or \\boxed{14}"
    )
    assert parts == [0, " gives ", 1, " or ", 2]
    assert "<mtable" in book.entries[0][1] and "<menclose" in book.entries[1][1]


def test_code_is_not_searched_for_formulas():
    text = "```php\n$a = $b;$c\n``` and `$x$`"
    assert FormulaBook().parts(text) == [
        ["block", "```php\n$a = $b;$c\n```"],
        " and ",
        ["code", "`$x$`"],
    ]


@pytest.mark.parametrize("latex", [r"\unknown{x}", r"\left(", r"\begin{align}x", "", "x" * 3000])
def test_what_cannot_be_read_stays_source(latex):
    assert to_mathml(latex) is None
    if latex and len(latex) < LONGEST:
        assert FormulaBook().parts(f"${latex}$") == [["code", f"${latex}$"]]


@pytest.mark.parametrize(
    ("answer", "formula"),
    [
        (r"\frac{1}{2}", True),
        ("2^{10}", True),
        (r"50\%", True),
        ("Wednesday", False),
        ("14", False),
    ],
)
def test_an_answer_may_be_a_formula_without_dollars(answer, formula):
    assert FormulaBook().answer(answer) == ([0] if formula else [answer])


@pytest.mark.parametrize(
    "attack",
    [
        r"\text{<script>alert(1)</script>}",
        r"\text{&lt;script&gt;}",
        r"\text{</math><img src=x onerror=alert(1)>}",
        r"\href{javascript:alert(1)}{x}",
        r'\class{"><script>}{x}',
        r'\color{red" onmouseover="alert(1)}{x}',
        r"\style{background:url(http://example.org)}{x}",
    ],
)
def test_nothing_gets_out_of_a_formula(attack):
    mathml = to_mathml(attack) or ""
    for tag in re.findall(r"<[^>]*>", mathml):
        assert re.fullmatch(r'</?m[a-z]+( [a-z]+="[\w #%.+-]*")*>', tag), tag
    assert "href" not in mathml and "class=" not in mathml and "style=" not in mathml


def test_deep_nesting_and_stray_delimiters_cost_little():
    assert to_mathml("{" * 900 + "x" + "}" * 900) is None
    text = r"\[" * 5_000
    book = FormulaBook()
    assert together(book, book.parts(text)) == text


def test_a_full_book_keeps_what_it_has():
    book = FormulaBook(most=1)
    assert book.parts("$x$ $y$ $x$") == [0, " ", ["code", "$y$"], " ", 0]


@given(st.text(alphabet="ab$\\[](){}^_` \n<&é数0", max_size=60))
def test_parts_give_the_text_back(text):
    book = FormulaBook()
    assert together(book, book.parts(text)) == text
    assert together(book, book.answer(text)) == text


def test_unknown_elements_are_refused():
    from xml.etree.ElementTree import Element

    with pytest.raises(ValueError, match="script"):
        write(Element("script"))
