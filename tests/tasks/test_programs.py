"""Programs: answers, demonstrations, splits; the task's own check says what Python says."""

import re
import subprocess
import sys
from collections.abc import Mapping
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest

from k15.graders.code.cases import StdinCase, read_case
from k15.markdown import code_block
from k15.models.tiny import word_tokenizer
from k15.tasks.programs import (
    OPERATORS,
    Programs,
    leads_to_target,
    source,
    stdin_test,
    values_of,
    write,
)
from k15.types import Problem

# 5 becomes 12 by 5+2 = 7, 7-1 = 6, 6*2 = 12; the program is 2n + 2
RIGHT = ["a=n+2;", "b=a-1;", "c=b*2;"]
EXAMPLE = Problem(
    id="example",
    prompt=({"role": "user", "content": " 5>12a=n?2;b=a?1;c=b?2;:"},),
    answer=source(RIGHT),
    tests=(stdin_test(RIGHT, [5]), stdin_test(RIGHT, [0, -7, 100])),
    meta={"input": 5, "operands": (2, 1, 2)},
)
LOOP = "for n in map(int,open(0)):"


def respond(program: str) -> str:
    return f"<think> 3 yes</think>\n```python\n{program}\n```"


def test_the_tests_of_a_problem_can_be_redone_by_hand() -> None:
    """2n + 2 at 5, and at 0, -7 and 100."""
    shown, hidden = EXAMPLE.tests
    assert shown == {"type": "stdin", "input": "5\n", "output": "12\n"}
    assert hidden == {"type": "stdin", "input": "0\n-7\n100\n", "output": "2\n-12\n202\n"}


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (LOOP + "a=n+2;b=a-1;c=b*2;print(c)", 1.0),
        (LOOP + "a=n*2;b=a-1;c=b+3;print(c)", 1.0),  # 2n + 2 by another way
        (LOOP + "a=n+2;a=a-1;a=a*2;print(a)", 1.0),
        (LOOP + "a=n*3;b=a-3;print(b)", 0.0),  # 12 on the example, but 3n - 3
        (LOOP + "a=n+3;b=a+1;c=b+3;print(c)", 0.0),  # 12 on the example, but n + 7
        (LOOP + "a=n+2;b=a-1;c=b*2;print(b)", 0.0),
        (LOOP + "a=n+2;c=b*2;b=a-1;print(c)", 0.0),  # b is used before it is set
        (LOOP + "print(c)", 0.0),
        ("a=n+2;b=a-1;c=b*2;print(c)", 0.0),
        ("", 0.0),
    ],
)
def test_check_wants_the_outputs_on_hidden_inputs(program: str, expected: float) -> None:
    assert Programs().check(EXAMPLE, respond(program)) == expected


@pytest.mark.parametrize("before", ["", LOOP + "\n```", "\n```python\n" + LOOP + ">9 no"])
@pytest.mark.parametrize("after", ["", " no", "\n```", "\nprints 10"])
def test_check_takes_the_block_that_the_code_reward_takes(before: str, after: str) -> None:
    """Whatever stands around it; an unclosed block before it swallows it."""
    response = before + respond(EXAMPLE.answer) + after
    taken = code_block(response) == f"{EXAMPLE.answer}\n"
    assert Programs().check(EXAMPLE, response) == float(taken)
    assert Programs().check(EXAMPLE, before + EXAMPLE.answer + after) == 0.0


def test_every_problem_has_a_right_answer_and_values_that_have_words() -> None:
    """All choices of operators on the example, and the prompt's own words."""
    task = Programs(seed=3)
    for index in range(100):
        problem = task.problem(index)
        given, operands = problem.meta["input"], problem.meta["operands"]
        assert len(operands) == problem.difficulty + 1 and problem.domain == "code"
        for operators in product(*(OPERATORS[operand] for operand in operands)):
            values = values_of(write(operators, operands), given)
            assert min(values) >= 0 and max(values) <= 48
        assert task.check(problem, respond(problem.answer)) == 1.0
        shown, hidden = (read_case(test) for test in problem.tests)
        assert isinstance(shown, StdinCase) and isinstance(hidden, StdinCase)
        assert problem.prompt[0]["content"].startswith(f" {shown.input.strip()}>12a=n?")
        assert shown.output == "12\n"
        assert len(hidden.input.split()) == len(hidden.output.split()) == 4


def test_prompts_and_demonstrations_are_made_of_the_words() -> None:
    """Nothing becomes padding, and a response is short enough for what RL allows."""
    task = Programs(seed=3)
    tokenizer = word_tokenizer(task.words)
    for index in range(100):
        problem = task.problem(index)
        response = task.demonstrate(problem, Random(index), max_trials=4, give_up=0.5)
        for text in (problem.prompt[0]["content"], response):
            tokens = tokenizer(text)["input_ids"]
            assert tokenizer.pad_token_id not in tokens and tokenizer.decode(tokens) == text
        assert len(tokens) <= 62  # 4 trials of 13 words and 10 around them, at level 5


def test_demonstrations_run_each_program_on_the_example() -> None:
    """Every trial is played again by Python itself, and none is tried twice."""
    task = Programs(seed=4)
    for index in range(50):
        problem = task.problem(index)
        response = task.demonstrate(problem, Random(index), max_trials=10, give_up=0.2)
        thought = response.removeprefix("<think>").partition("</think>")[0]
        trials = re.findall(r"(a=n.*? \d+) (no|yes)", thought)
        assert "".join(f"{steps} {verdict}" for steps, verdict in trials) == thought
        for steps, verdict in trials:
            variables = {"n": problem.meta["input"]}
            for line, value in re.findall(r"(\w=\w[+*-]\d;) (\d+)", steps):
                exec(line, {}, variables)
                assert variables[line[0]] == int(value)
            assert (list(variables.values())[-1] == 12) == (verdict == "yes")
        assert len(set(trials)) == len(trials)
        answer = code_block(response)
        assert answer is not None and re.findall(r"\w=\w..;", answer) == re.findall(
            r"\w=\w..;", trials[-1][0]
        )


def test_patient_demonstrators_find_more_answers() -> None:
    """At level 2 there are 8 to 27 programs, and few fit the example by chance alone."""
    task = Programs(levels=[2])
    problems = [task.problem(index) for index in range(200)]

    def accuracy(trials: int, give_up: float) -> float:
        responses = (
            task.demonstrate(p, Random(i), max_trials=trials, give_up=give_up)
            for i, p in enumerate(problems)
        )
        return float(np.mean([task.check(p, r) for p, r in zip(problems, responses, strict=True)]))

    assert accuracy(1, 1.0) < 0.25
    assert accuracy(27, 0.0) > 0.9


def test_check_says_what_python_says() -> None:
    """Random, often broken programs of the task's words, run on the tests as a user would."""
    task, rng = Programs(seed=5, levels=[1]), Random(0)
    lines = [word for word in task.words if re.fullmatch("[a-c]=[na-b][+*-][1-3];", word)]
    said = []
    for index in range(30):
        problem = task.problem(index)
        right = re.findall(r"\w=\w..;", problem.answer)
        steps = [line if rng.random() < 0.7 else rng.choice(lines) for line in right]
        steps = rng.sample(steps, len(steps)) if rng.random() < 0.2 else steps
        response = respond(f"{LOOP}{''.join(steps)}print({rng.choice('aabbbbbbc')})")
        program = code_block(response)
        assert program is not None
        said.append(task.check(problem, response))
        assert said[-1] == float(all(python_passes(program, test) for test in problem.tests))
    assert 5 < sum(said) < 25


def python_passes(program: str, test: Mapping[str, Any]) -> bool:
    words = [sys.executable, "-I", "-S", "-c", program]
    result = subprocess.run(
        words, input=test["input"], capture_output=True, text=True, timeout=60, check=False
    )
    return result.returncode == 0 and result.stdout == test["output"]


def test_the_input_of_a_program_is_found_backwards() -> None:
    """2n + 2 = 12 at 5; 2 does not divide 11, which 12 has to come from by adding 1."""
    assert leads_to_target("+-*", (2, 1, 2)) == 5
    assert leads_to_target("*+", (2, 1)) is None


def test_bad_settings_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="levels 1 to 5, not 6"):
        Programs(levels=[6]).problem(0)
    with pytest.raises(ValueError, match="no picture form"):
        Programs(modality="image").problem(0)
