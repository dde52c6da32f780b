"""The program is the last fenced block of its language; closed ones, and named ones, first."""

import pytest

from k15.markdown import code_block

FENCED = "```python\nprint(1)\n```"


@pytest.mark.parametrize(
    ("response", "program"),
    [
        (f"Thus\n{FENCED}\nis it.", "print(1)\n"),
        ("```\nprint(1)\n```", "print(1)\n"),
        ("```py\nprint(2)\n```\nbetter:\n" + FENCED, "print(1)\n"),
        (FENCED + "\nprints\n```text\n1\n```", "print(1)\n"),
        (FENCED + "\n```java\nint x;\n```", "print(1)\n"),
        (FENCED + "\n```python\nprint(2)", "print(1)\n"),  # cut off
        (FENCED + "\nExample output\n```\n1\n```", "print(1)\n"),
        (FENCED + "\nExample output:\n```\n1", "print(1)\n"),
        ("```\n3\n```\ninput, so\n" + FENCED, "print(1)\n"),
        ("```\n1\n```\nso\n```\n2\n```", "2\n"),
        ("```\n1\n```\nso\n```python\nprint(2)", "print(2)\n"),
        ("```python\nprint(2)\n\nbetter:\n" + FENCED, "print(1)\n"),  # forgot to close it
        (FENCED + "\n```python\n\n```", "print(1)\n"),
        ("```print(0)```\n" + FENCED, "print(1)\n"),
        ("```python:main.py\nprint(1)\n```", "print(1)\n"),
        ("  ```Python\n  if x:\n      y\n  ```", "if x:\n    y\n"),
        ("````python\n```\n'''\n````", "```\n'''\n"),
        ("~~~python\nprint(1)\n~~~", "print(1)\n"),
        ('``` python title="a"\nprint(1)\n```', "print(1)\n"),
        ("```python\r\nprint(1)\r\n```\r\n", "print(1)\r\n"),
        ("```python\n```", None),
        ("print(1)", None),
        ("```print(1)```", None),
        ("", None),
        ("```python\nprint(1)", "print(1)\n"),
        ("so\n~~~py\nprint(1)\n\n", "print(1)\n"),
    ],
)
def test_blocks(response: str, program: str | None) -> None:
    assert code_block(response) == program


def test_blocks_of_another_language() -> None:
    response = FENCED + "\n```c++\nint main() {}\n```\n```js\n1\n```"
    assert code_block(response, "cpp") == "int main() {}\n"
    assert code_block(response, "javascript") == "1\n"
    assert code_block(response, "bash") is None


def test_a_language_may_have_a_version() -> None:
    for tag in ("python3", "Python3.11", "py3", "python"):
        assert code_block(f"```{tag}\nprint(1)\n```\n```\n1\n```") == "print(1)\n"
    assert code_block("```c++17\nint main() {}\n```", "cpp") == "int main() {}\n"


@pytest.mark.parametrize(
    "program",
    [
        "def f(x): return x",
        "class Solution:\n    async  def f(self): return 1",
        "class f: pass",
        "f = lambda x: x",
        "f: object = abs",
    ],
)
def test_an_example_of_use_does_not_replace_what_is_used(program: str) -> None:
    response = f"```python\n{program}\n```\nSo:\n```python\nprint(f(1), g.f)\ndef fg(): f(2)\n```"
    assert code_block(response, names=["g", "f"]) == f"{program}\n"
    assert code_block(response, names=["h"]) == code_block(response)
    assert code_block(response, names=["fg", "h"]) == code_block(response)


def test_a_response_without_a_fence_may_be_a_program() -> None:
    assert code_block("print(1)", require_fence=False) == "print(1)"
    assert code_block(FENCED, require_fence=False) == "print(1)\n"
    assert code_block("so\n```java\nint x;\n```", require_fence=False) is None


def test_long_and_broken_responses_are_read_in_one_pass() -> None:
    opened = "```python\n" * 2 * 10**5  # 2 MB, each line opens or belongs to the first block
    assert code_block(opened) is None
    assert code_block(f"```\nx{chr(10) * 10**6}{' ' * 10**6}\n```", names=["f"])
    assert code_block("```\n" * 10**5) is None
    assert code_block("\ud800\0```python\n" + FENCED) == "print(1)\n"
    assert code_block(" " * 10**7) is None
    assert code_block(" " * 10**7, require_fence=False) == " " * 10**7
