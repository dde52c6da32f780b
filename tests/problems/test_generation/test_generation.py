"""From programs to tests, in a real sandbox: good and bad generators, programs that differ."""

import json
from collections.abc import Iterator

import pytest

from k15.graders.code.grader import CodeGrader
from k15.problems.test_generation.examples import arguments_in
from k15.problems.test_generation.fixed import for_calls, for_stdin
from k15.problems.test_generation.generation import Generated, funnel, generate
from k15.problems.test_generation.generators import inputs
from k15.problems.test_generation.observing import Interface, observed
from k15.problems.test_generation.rules import Output, Thresholds
from k15.problems.test_generation.special import needs_special_judge
from k15.problems.test_generation.tasks import Task
from k15.sandbox.local import LocalSandbox
from k15.sandbox.protocol import Limits
from k15.types import Problem

SMALL = Thresholds(cases=12, fewest_valid=10)
RIGHT = "def largest(xs):\n    return max(xs)\n"
WRONG = "def largest(xs):\n    return xs[0]\n"
NUMBERS = (
    "import json, sys\nfrom cyaron import *\nprint(json.dumps([[randint(1, 9) for _ in range(4)]]))"
)


@pytest.fixture(scope="module")
def sandbox(local_sandbox: None) -> Iterator[LocalSandbox]:
    found = LocalSandbox()
    yield found
    found.close()


def asked(text: str = "Return the largest of the numbers xs.", **more: object) -> Problem:
    prompt = ({"role": "user", "content": text},)
    return Problem(id="p", prompt=prompt, answer=None, domain="code", **more)  # type: ignore[arg-type]


def task(*programs: str, text: str = "Return the largest of the numbers xs.") -> Task:
    return Task(problem=asked(text), interface=Interface(function="largest"), programs=programs)


def test_kept_tests_accept_right_programs_and_reject_wrong_ones(sandbox: LocalSandbox) -> None:
    """Nine of ten agree: a case is valid, and the tenth fails; graded by the grader of RL."""
    found = generate(task(*[RIGHT] * 9, WRONG), lambda _: NUMBERS, sandbox, thresholds=SMALL)
    assert found.stage == "kept" and found.valid == len(found.tests) == 12
    assert list(found.passing) == [True] * 9 + [False]
    problem, grader = asked(tests=tuple(found.tests[:4])), CodeGrader(sandbox)
    grader.check(problem)
    assert grader.grade_program(problem, RIGHT).correct == 1
    assert grader.grade_program(problem, WRONG).correct == 0


def test_a_problem_is_dropped_where_eight_of_ten_pass(sandbox: LocalSandbox) -> None:
    found = generate(task(*[RIGHT] * 8, *[WRONG] * 2), lambda _: NUMBERS, sandbox, thresholds=SMALL)
    assert (found.stage, found.detail) == ("programs disagree", "8 of 10 pass")
    found = generate(task(*[RIGHT] * 6, *[WRONG] * 4), lambda _: NUMBERS, sandbox, thresholds=SMALL)
    assert found.stage == "few valid cases" and found.valid < 10


@pytest.mark.parametrize(
    ("generator", "said"),
    [
        ("", ""),
        ("1 / 0", "ZeroDivisionError"),
        ("while True: pass", "ended by cpu"),
        ("print('x' * 2**30)", "MemoryError"),
        ("import os; os._exit(3)", "ended by crash"),
        ("this is no Python", "SyntaxError"),
        ("print('no JSON')", ""),
    ],
)
def test_generators_that_do_not_work_give_no_cases(
    generator: str, said: str, sandbox: LocalSandbox
) -> None:
    short = Limits(cpu_seconds=1.0, memory_mib=256, output_bytes=2**22)
    found, fault = inputs(sandbox, generator, 6, limits=short)
    assert said in fault
    assert [text for text in found if Interface(function="f").arguments(text)] == []


def test_a_generator_that_dies_in_some_runs_gives_the_others(sandbox: LocalSandbox) -> None:
    program = (
        "import os, sys\nn = int(sys.argv[1])\nif n == 2: os._exit(1)\nif n == 4: 1 / 0\nprint(n)"
    )
    found, fault = inputs(sandbox, program, 5)
    assert [int(text) for text in found] == [0, 1, 3, 5, 6]
    assert fault == "ZeroDivisionError: division by zero"


def test_the_same_run_prints_the_same(sandbox: LocalSandbox) -> None:
    assert inputs(sandbox, NUMBERS, 5) == inputs(sandbox, NUMBERS, 5)


def test_what_functions_return_is_observed(sandbox: LocalSandbox) -> None:
    """A loop, a crash, a set and an exit have no output; a tuple is a list; prints are ignored."""
    program = """
def f(x):
    print("noise")
    if x == 1:
        while True: pass
    if x == 2: raise SystemExit
    if x == 3: return {1}
    if x == 4: __import__("os")._exit(0)
    return (x, x / 2)
"""
    interface = Interface(function="f")
    given = [json.dumps([x]) for x in range(6)]
    found = observed(sandbox, interface, program, given, limits=Limits(cpu_seconds=0.3))
    assert found == [Output([0, 0.0]), None, None, None, None, None]
    assert observed(sandbox, interface, "def g(): pass", given) == [None] * 6


def test_programs_that_read_stdin_are_observed(sandbox: LocalSandbox) -> None:
    interface = Interface(prelude="from math import *")
    found = observed(sandbox, interface, "print(gcd(int(input()), 6))", ["4\n", "x\n", "9\n"])
    assert found == [Output("2\n"), None, Output("3\n")]
    assert interface.same("1.0000000001 a\n", "1.0 a") and not interface.same("1 a", "2 a")


def test_calls_are_read_out_of_asserts() -> None:
    text = (
        "assert f([1, 2], 'a)b') == 3\nassert f(x) == 2\nf(n=1); of(5); f((1, 2)); f([1, 2], 'a)b')"
    )
    assert arguments_in(text, "f") == [[[1, 2], "a)b"], [[1, 2]]]


@pytest.mark.parametrize(
    "examples",
    [
        [[5], [3], [8]],
        [[[1, 2, 3], 2], [[4], 1]],
        [["abc"], ["hello world"]],
        [[[]], [[["a"], []]], [[["b", "c"]]]],
        [[{"a": 1}], [{"b": 2, "c": 3}]],
        [[1.5, True, None], [2.25, False, None]],
    ],
)
def test_fixed_generators_print_the_examples_and_more_like_them(
    examples: list, sandbox: LocalSandbox
) -> None:
    found, fault = inputs(sandbox, for_calls(examples), 8)
    values = [json.loads(text) for text in found]
    assert fault == "" and values[: len(examples)] == examples
    assert all(len(value) == len(examples[0]) for value in values)
    kinds = {type(value[0]) for value in values}
    assert kinds == {type(example[0]) for example in examples}


def test_fixed_generators_of_texts_leave_the_first_line(sandbox: LocalSandbox) -> None:
    found, fault = inputs(sandbox, for_stdin(["2 3\n1 5 9\nabc\n"]), 6)
    assert fault == "" and len(found) == 6
    assert {text.split("\n")[0] for text in found} == {"2 3"}
    assert {len(text.split("\n")[2]) for text in found} == {3}


@pytest.mark.parametrize(
    "text",
    ["If there are multiple answers, print any of them.", "Return the pairs in any order.",
     "若有多组解，输出任意一组。"],
)  # fmt: skip
def test_problems_with_several_right_outputs_are_set_aside(
    text: str, sandbox: LocalSandbox
) -> None:
    found = generate(task(*[RIGHT] * 10, text=text), lambda _: NUMBERS, sandbox)
    assert found.stage == "special judge"


def test_any_alone_is_no_special_judge() -> None:
    assert needs_special_judge(asked("Check if any two numbers are equal.")) is None
    checked = {"type": "stdin", "input": "1", "checker": "exit(0)"}
    assert needs_special_judge(asked(tests=(checked,))) == "its tests have a checker"


def test_one_output_for_all_cases_tells_nothing_apart(sandbox: LocalSandbox) -> None:
    constant = "def largest(xs):\n    return 1\n"
    found = generate(task(*[constant] * 10), lambda _: NUMBERS, sandbox, thresholds=SMALL)
    assert found.stage == "one output"


def test_the_funnel_counts_what_is_left_behind_each_step() -> None:
    stages = ["special judge", "few valid cases", "kept", "kept", "no generator"]
    found = [Generated(id=str(n), stage=stage) for n, stage in enumerate(stages)]  # type: ignore[arg-type]
    assert funnel(found) == {
        "problems": 5,
        "no special judge": 4,
        "enough programs": 4,
        "a generator": 3,
        "enough valid cases": 2,
        "several outputs": 2,
        "kept": 2,
    }
