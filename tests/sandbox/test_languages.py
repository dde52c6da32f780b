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
