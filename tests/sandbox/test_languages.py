import pytest

from k15.sandbox.languages import source_name
from k15.sandbox.protocol import Program

MAIN = "public static void main(String[] a) {}"


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (f"public class Answer {{ {MAIN} }}", "Answer.java"),
        (f"class Pair {{ int a; }}\nclass Main {{ {MAIN} }}", "Main.java"),
        (f"import java.util.*; class Solve {{ {MAIN} }}", "Solve.java"),
        # a class inside of the one that has main
        (f"class Outer {{\n  static class Inner {{ }}\n  {MAIN}\n}}", "Outer.java"),
        (f"// class Comment {{\nclass Real {{ {MAIN} }}", "Real.java"),
        (f"class First {{ {MAIN} }}\nclass Second {{ }}", "First.java"),
        ("class First { }\nclass Second { }", "First.java"),
        ("", "Main.java"),
    ],
)
def test_a_java_file_is_named_by_the_class_that_is_started(source: str, name: str) -> None:
    assert source_name(Program(source=source, language="java")) == name


def test_a_name_that_no_file_can_have_is_not_taken() -> None:
    assert source_name(Program(source=f"public class {'A' * 250} {{}}", language="java")) == (
        f"{'A' * 250}.java"
    )
    assert source_name(Program(source=f"class {'A' * 251} {{}}", language="java")) == "Main.java"
    # 150 letters of two bytes each
    assert source_name(Program(source=f"class {'ä' * 150} {{}}", language="java")) == "Main.java"


@pytest.mark.parametrize("part", ["/*", "class a ", "class a {", "public final ", "static void "])
def test_hostile_programs_are_named_in_one_pass(part: str) -> None:
    """Each of these took time quadratic in its length: hours, for a megabyte."""
    assert source_name(Program(source=part * (2**20 // len(part)), language="java"))
