"""On every sandbox of this machine: what a program does to its box, and what it finds there."""

import shutil

import pytest

from k15.sandbox.languages import install_line
from k15.sandbox.protocol import Input, Language, Limits, Outcome, Program, Sandbox

FITS = Limits(disk_mib=1)
LONG = "A" * 300
SCREAM = f"class {LONG} {{ public static void main(String[] a) {{ System.out.println(1); }} }}"


def only(
    sandbox: Sandbox,
    source: str,
    *,
    language: Language = "python",
    limits: Limits = Limits(),
    **given,
) -> Outcome:
    if language == "java" and shutil.which("javac") is None:
        pytest.skip(install_line(language))
    [outcome] = sandbox.run(Program(source=source, language=language), [Input(**given)], limits)
    assert outcome.cause != "infrastructure", outcome
    return outcome


@pytest.mark.parametrize("source", [SCREAM, f"public {SCREAM}", "class Größe {}" + SCREAM])
def test_a_class_whose_name_no_file_can_have_does_not_compile(
    backends: tuple[str, Sandbox], source: str
) -> None:
    assert only(backends[1], source, language="java").cause == "compile"


def test_what_does_not_fit_into_the_box_is_the_programs_fault(
    backends: tuple[str, Sandbox],
) -> None:
    name, sandbox = backends
    outcome = only(sandbox, f"print(7) #{'x' * 2**21}", limits=FITS)
    if name == "local without namespaces":  # there only single files are limited
        assert outcome.stdout == b"7\n"
    else:
        assert (outcome.cause, outcome.stdout) == ("crash", b"")
        assert "No space left" in outcome.detail
    assert only(sandbox, "print(8)").stdout == b"8\n"


LOCKS = """
import os
for path in (".", "..", "../..", "/tmp", "/box", "/dev/shm", "/"):
    try:
        os.chmod(path, 0)
    except OSError:
        pass
"""


@pytest.mark.parametrize(
    "source", [LOCKS, "import os\nos.rmdir(os.getcwd())", "import os\nos.rename('.', '../x')"]
)
def test_a_box_that_is_spoilt_harms_nobody(backends: tuple[str, Sandbox], source: str) -> None:
    for _ in range(3):
        only(backends[1], source)
        after = only(backends[1], "open('x', 'w').write('1'); print(open('x').read())")
        assert after.stdout == b"1\n", after


def test_exit_and_quit_are_there(backends: tuple[str, Sandbox]) -> None:
    for source, status in (("exit()", 0), ("quit(3)", 3), ("print(1); exit('why')", 1)):
        outcome = only(backends[1], source)
        assert (outcome.exit, outcome.cause) == (status, "crash" if status else "ok")
    assert outcome.stdout == b"1\n" and outcome.stderr == b"why\n"


def test_integers_of_any_length_are_read_and_printed(backends: tuple[str, Sandbox]) -> None:
    outcome = only(backends[1], "print(int(input()) + 1)", stdin=b"9" * 5000)
    assert outcome.stdout == b"1" + b"0" * 5000 + b"\n"
