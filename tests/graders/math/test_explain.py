"""The command that explains a verdict."""

import subprocess
import sys

from k15.graders.math.explain import explained
from k15.graders.math.verifier import MathVerifier


def test_every_step_is_told() -> None:
    verifier = MathVerifier(workers=1, extraction="free")
    assert list(explained(verifier, r"\frac12", "So the answer is **0.5**, as asked.")) == [
        ("found", "stated"),
        ("extracted", "0.5"),
        ("answer", "0.5"),
        ("", "Quantity(1/2, decimals=1)"),
        ("gold", r"\frac12"),
        ("", "Quantity(1/2)"),
        ("compared", "exact"),
        ("verdict", "right"),
    ]
    verifier.close()


def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "k15.graders.math", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=120)


def test_the_command_reads_standard_input_and_its_status_is_the_verdict() -> None:
    right = run("B", "-", "--extraction", "choice", given="Not A but B.")
    assert (right.returncode, right.stdout.splitlines()[-1]) == (0, "verdict    right")
    assert run("5", r"\boxed{6}").returncode == 1


def test_a_gold_that_is_none_is_one_line() -> None:
    refused = run(" ", r"\boxed{6}")
    assert (refused.returncode, refused.stderr) == (2, "error: the answer is empty\n")
