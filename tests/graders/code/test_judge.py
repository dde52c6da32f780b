"""Programs with input and output: verdicts, limits, checkers, what is no fault of the program."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from k15.graders.base import GraderFailure
from k15.graders.code.cases import (
    AssertCase,
    CallCase,
    ProgramCase,
    StdinCase,
    read_case,
)
from k15.graders.code.joined import printing_at_the_end
from k15.graders.code.judge import LONGEST, Judge
from k15.sandbox.local import LocalSandbox
from k15.sandbox.protocol import Input, Limits, Outcome, Program

ADD = "print(sum(map(int, input().split())))"
SUMS = [
    StdinCase(input=f"{a} {b}\n", output=f"{a + b}\n") for a, b in ((1, 2), (3, 4), (5, 6), (0, 0))
]


class Counting(LocalSandbox):
    """Counts the programs it compiled and the runs it was asked for."""

    programs = runs = 0

    def run(
        self, program: Program, inputs: Iterable[Input], limits: Limits = Limits()
    ) -> Iterator[Outcome]:
        self.programs += 1
        for outcome in super().run(program, inputs, limits):
            self.runs += 1
            yield outcome


class Broken:
    """A sandbox that breaks at the given run."""

    def __init__(self, at: int) -> None:
        self.at = at

    def run(
        self, program: Program, inputs: Iterable[Input], limits: Limits = Limits()
    ) -> Iterator[Outcome]:
        for number, given in enumerate(inputs):
            if number == self.at:
                yield Outcome(cause="infrastructure", detail="the machine is gone")
            else:
                yield Outcome(cause="ok", stdout=b"%d" % sum(map(int, given.stdin.split())))


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    sandbox = Counting()
    yield Judge(sandbox, Limits(cpu_seconds=1.0, memory_mib=256))
    sandbox.close()


def only(judge: Judge, source: str, case: StdinCase | ProgramCase) -> tuple[bool, str]:
    [verdict] = judge.verdicts(source, [case])
    return verdict.correct, verdict.how


def test_one_verdict_per_test_of_one_compiled_program(judge: Judge) -> None:
    before = judge.sandbox.programs
    wrong_on_two = "a, b = map(int, input().split())\nprint(a + b if a % 4 < 2 else 0)"
    assert judge.fraction(ADD, SUMS) == 1.0
    assert [v.correct for v in judge.verdicts(wrong_on_two, SUMS)] == [True, False, True, True]
    assert judge.fraction(wrong_on_two, SUMS) == 0.75
    assert judge.sandbox.programs == before + 3


def test_the_first_failure_ends_it_when_only_a_pass_is_asked_for(judge: Judge) -> None:
    before = judge.sandbox.runs
    assert not judge.passes("print(3)", SUMS)  # right on the first test, wrong on the second
    assert judge.sandbox.runs == before + 2
    assert judge.passes(ADD, SUMS)
    assert judge.sandbox.runs == before + 6


ENDS = {
    "raises": ("print(3)\nraise ValueError", "crash"),
    "has a status of its own": ("print(3)\nraise SystemExit(1)", "crash"),
    "loops after the answer": ("print(3, flush=True)\nwhile True: pass", "cpu"),
    "eats memory": ("print(3, flush=True)\nx = [b'x' * 2**20 for _ in range(2000)]", "memory"),
    "prints without end": ("while True: print('3' * 1000)", "output"),
    "does not compile": ("print(3", "crash"),
    "says that it passed": ("print('passed\\n3 passed\\nok')", "wrong answer"),
    "prints nothing": ("", "wrong answer"),
    "exits early with status 0": ("import os\nos._exit(0)", "wrong answer"),
    "closes its output": ("import os\nos.close(1)", "wrong answer"),
    "prints bytes": ("import os\nos.write(1, b'\\xff\\xfe3')", "wrong answer"),
    "looks for the answer": (
        "import os, sys\n"
        "for folder, _, files in os.walk('.'):\n"
        "    for name in files:\n"
        "        print(open(os.path.join(folder, name), errors='replace').read())\n"
        "print(os.environ, sys.argv, sys.stdin.read())",
        "wrong answer",
    ),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_wrong_program_is_wrong_with_its_cause(judge: Judge, name: str) -> None:
    source, cause = ENDS[name]
    passed, found = only(judge, source, SUMS[0])
    assert not passed
    assert found == cause


@pytest.mark.parametrize("source", ["x = '" + "a" * LONGEST + "'", "print(3)\0", "print('\ud800')"])
def test_what_cannot_be_a_program_is_not_run(judge: Judge, source: str) -> None:
    before = judge.sandbox.runs
    assert only(judge, source, SUMS[0]) == (False, "compile")
    assert judge.sandbox.runs == before


CHECKER = """
import sys
given, output, answer = (open(path).read() for path in sys.argv[1:])
a, b = map(int, output.split())
sys.exit(0 if a + b == int(given) and a * b == int(answer) else 1)
"""


def test_a_checker_decides(judge: Judge) -> None:
    case = StdinCase(input="5", output="6", checker=CHECKER)
    assert only(judge, "print(2, 3)", case) == (True, "passed")
    assert only(judge, "print(3, 2)", case) == (True, "passed")
    assert only(judge, "print(4, 1)", case) == (False, "wrong answer")
    assert only(judge, "print('import os; os._exit(0)')", case) == (False, "wrong answer")
    assert only(judge, "raise SystemExit(3)", case) == (False, "crash")


@pytest.mark.parametrize(
    "checker", ["while True: pass", "import os; os.abort()", "raise SystemExit(3)"]
)
def test_a_checker_that_breaks_is_not_the_programs_fault(judge: Judge, checker: str) -> None:
    with pytest.raises(GraderFailure, match="the checker ended by"):
        only(judge, "print(1)", StdinCase(input="", checker=checker))


FRAGILE = """
import os, sys
text = open(sys.argv[2]).read()
while text == "loop": pass
if text == "abort": os.abort()
if text == "status": sys.exit(3)
if text == "memory": text = [bytes(2**20) for _ in range(2**20)]
if text == "print": print("x" * 2**22)
sys.exit(0 if text == "right" else 1)
"""


@pytest.mark.parametrize("answer", ["loop", "abort", "status", "memory", "print", "no"])
def test_an_output_that_breaks_the_checker_is_wrong(judge: Judge, answer: str) -> None:
    case = StdinCase(input="", output="right", checker=FRAGILE)
    before = judge.sandbox.runs
    assert only(judge, f"print({answer!r}, end='')", case) == (False, "wrong answer")
    assert only(judge, f"print({answer!r}, end='')", case) == (False, "wrong answer")
    # two programs, two checkers; of the expected output it is asked at most once
    assert judge.sandbox.runs - before in (4, 5)


def test_an_infrastructure_failure_is_no_verdict() -> None:
    verdicts = Judge(Broken(at=1)).verdicts(ADD, SUMS)
    assert next(verdicts).correct
    with pytest.raises(GraderFailure, match="the machine is gone"):
        next(verdicts)
    with pytest.raises(GraderFailure):
        Judge(Broken(at=0)).passes("", [CallCase(function="f", arguments=[], output=1)])


def test_a_tester_that_does_not_start_is_no_verdict(judge: Judge) -> None:
    starved = Judge(judge.sandbox, Limits(processes=1))
    case = AssertCase(code="assert f() == 1", entry_point="f")
    with pytest.raises(GraderFailure, match="did not start"):
        list(starved.verdicts("def f(): return 1", [case]))


def test_what_cannot_cross_is_a_wrong_answer(judge: Judge) -> None:
    """Else a program could void its group by what it returns: here it hands the test a range's
    iterator, which the test hands back.
    """
    case = AssertCase(code="assert f(type(f(1))) is int", entry_point="f")
    assert only(judge, "def f(x): return print", case) == (False, "wrong answer")
    assert only(judge, "def f(x): return x if x is int else 1", case) == (True, "passed")


def test_what_is_right_may_be_long(judge: Judge) -> None:
    """Three times the limit on output, which then follows what the test expects."""
    echo = StdinCase(input="x" * 3 * 2**20, output="x" * 3 * 2**20)
    assert only(judge, "print(input())", echo) == (True, "passed")
    assert only(judge, "print(input() * 3)", echo) == (False, "output")
    listed = CallCase(function="f", arguments=[3 * 2**10], output=[["x" * 2**10]] * 3 * 2**10)
    assert only(judge, "def f(n): return [('x' * 2**10,)] * n", listed) == (True, "passed")


def test_a_prelude_of_a_whole_program(judge: Judge) -> None:
    prelude = "import sys\nfrom math import *\nsys.setrecursionlimit(50000)"
    case = StdinCase(input="20000", output="20000", prelude=prelude)
    deep = "from __future__ import annotations\ndef f(n): return n and 1 + f(n - gcd(2, 3))\n"
    deep += "if __name__ == '__main__': print(f(int(input())))"
    assert only(judge, deep, case) == (True, "passed")
    assert only(judge, deep, StdinCase(input="20", output="20")) == (False, "crash")


def test_a_program_test_runs_to_its_end(judge: Judge) -> None:
    case = ProgramCase(head="import math\n", code="assert f(2) == math.pi\nprint('end')")
    assert only(judge, "def f(x): return math.pi", case) == (True, "passed")
    assert only(judge, "def f(x): return 3", case) == (False, "crash")
    assert only(judge, "raise SystemExit(0)", case) == (False, "wrong answer")


def test_the_last_statement_of_a_main_prints() -> None:
    cpp = printing_at_the_end("int main() { if (1) {} }\n", "N", "cpp")
    assert cpp == 'int main() { if (1) {} std::cout << "N" << std::endl;\n}\n'
    java = printing_at_the_end("void main() { f(); }\n}\n", "N", "java")
    assert java == 'void main() { f(); System.out.println("N");\n}\n}\n'
    assert printing_at_the_end("f", "N", "bash") == 'f\necho "N"'
    assert printing_at_the_end("f()", "N", "python") == "f()\nprint('N')"


def test_threads_may_share_a_judge(judge: Judge) -> None:
    sources = [f"print(sum(map(int, input().split())) + {n % 2})" for n in range(12)]
    with ThreadPoolExecutor(4) as threads:
        passed = list(threads.map(lambda source: judge.passes(source, SUMS), sources))
    assert passed == [True, False] * 6


@pytest.mark.parametrize(
    ("test", "message"),
    [
        ({}, "type=None: choose one of stdin, call, assert, program"),
        ({"type": "io"}, "type='io': choose one of"),
        ({"type": "stdin"}, "stdin test: input is missing"),
        ({"type": "stdin", "input": "", "expected": ""}, "stdin test: expected: no such field"),
        ({"type": "stdin", "input": "", "comparison": "fuzzy"}, "comparison='fuzzy'"),
        ({"type": "stdin", "input": "", "checker_language": "go"}, "checker_language='go'"),
        ({"type": "stdin", "input": "", "output": ""}, "prints nothing would pass"),
        ({"type": "stdin", "input": "", "output": " \n"}, "prints nothing would pass"),
        ({"type": "stdin", "input": 5, "output": "5"}, "input=5 must be a text"),
        ({"type": "stdin", "input": "", "output": "\ud800"}, "output is not valid Unicode"),
        ({"type": "stdin", "input": "", "output": "1", "tolerance": -1}, "tolerance=-1"),
        ({"type": "stdin", "input": "", "output": "1", "tolerance": 1}, "tolerance=1 must"),
        ({"type": "call", "function": "f"}, "call test: arguments, output is missing"),
        ({"type": "call", "function": "f(", "arguments": [], "output": 1}, "function='f('"),
        ({"type": "call", "function": "f", "arguments": 1, "output": 1}, "arguments=1 must be"),
        ({"type": "call", "function": "f", "arguments": [], "output": {1}}, "a set is no JSON"),
        ({"type": "call", "function": "f", "arguments": [], "output": 1e999 * 0}, "not equal to"),
        ({"type": "assert", "code": "assert (", "entry_point": "f"}, "code is no Python"),
        ({"type": "assert", "code": "", "entry_point": "f", "prelude": "1 +"}, "prelude is no Py"),
    ],
)
def test_a_test_that_cannot_be_run_is_refused(test: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_case(test)
    assert message in str(caught.value)


def test_asserts_are_for_python() -> None:
    case = read_case({"type": "assert", "code": "assert f()", "entry_point": "f"})
    with pytest.raises(ValueError, match="'assert' are for Python, not for java"):
        case.trial("", "java")
