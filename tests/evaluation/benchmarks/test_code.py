"""HumanEval and MBPP: programs in a sandbox; the labels of 16,400 published programs."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from k15.evaluation.benchmarks.code import HumanEval, Mbpp, python_function
from k15.graders.base import GraderFailure
from k15.sandbox.local import LocalSandbox
from k15.sandbox.protocol import Outcome

DATA = Path(__file__).parents[4] / "shared" / "data" / "code"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not here")


@pytest.fixture(scope="module")
def humaneval() -> Iterator[HumanEval]:
    with HumanEval(str(DATA / "HumanEval.jsonl.gz"), sandbox=LocalSandbox()) as benchmark:
        yield benchmark


def lines(name: str) -> list[dict]:
    with gzip.open(DATA / name) if name.endswith(".gz") else (DATA / name).open() as file:
        return [json.loads(line) for line in file]


@needs_data
def test_reference_functions_pass_and_others_do_not(humaneval: HumanEval) -> None:
    references = {row["task_id"]: row["canonical_solution"] for row in lines("HumanEval.jsonl.gz")}
    problems = humaneval.problems()
    assert len(problems) == 164
    for problem in problems[::12]:
        prompt, body = problem.meta["prompt"], references[problem.id]
        whole = f"<think>```python\nx\n```</think>Here:\n```python\n{prompt}{body}\n```"
        assert humaneval.grade(problem, body).correct == 1  # a completion of the prompt
        assert humaneval.grade(problem, whole).correct == 1
        assert humaneval.grade(problem, "    return NotImplemented\n").correct == 0
    assert humaneval.grade(problems[0], "I do not know.").correct == 0


@needs_data
def test_published_programs_get_their_published_labels(humaneval: HumanEval) -> None:
    """Eight completions of each of four problems, so that pass@k is that of the labels."""
    labels = {row["task_id"]: row["passed"] for row in lines("humaneval_codegen16b_labels.jsonl")}
    samples = lines("humaneval_codegen16b_solutions.jsonl.gz")
    problems = {problem.id: problem for problem in humaneval.problems()}
    seen = set()
    for row in samples[13:60:12]:
        wanted = labels[row["task_id"]][:8]
        graded = [humaneval.grade(problems[row["task_id"]], s) for s in row["samples"][:8]]
        assert [bool(verdict.correct) for verdict in graded] == wanted, row["task_id"]
        seen |= set(wanted)
    assert seen == {True, False}


@needs_data
def test_mbpp_is_its_test_split_and_references_pass() -> None:
    references = {f"MBPP/{row['task_id']}": row["code"] for row in lines("mbpp.jsonl")}
    with Mbpp(str(DATA / "mbpp.jsonl"), sandbox=LocalSandbox()) as benchmark:
        problems = benchmark.problems()
        assert len(problems) == 500
        for problem in problems[::100]:
            reference = f"```python\n{references[problem.id]}\n```"
            assert benchmark.grade(problem, reference).correct == 1
            assert benchmark.grade(problem, "```python\npass\n```").correct == 0


def test_a_broken_sandbox_is_no_wrong_answer(tmp_path: Path) -> None:
    class Broken(LocalSandbox):
        def run(self, program, inputs, limits=None):
            yield Outcome(cause="infrastructure", detail="no room left")

    row = {
        "task_id": "1",
        "prompt": "def f():\n    ...\n",
        "test": "def check(f):\n    assert f() is None\n",
    }
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({**row, "entry_point": "f"}))
    benchmark = HumanEval(str(file), sandbox=Broken())
    with pytest.raises(GraderFailure, match="no room left"):
        benchmark.grade(benchmark.problems()[0], "    return 1")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"task_id": "1", "test": "x"}, r"a\.jsonl:1: no field 'prompt'"),
        (
            {"task_id": "1", "prompt": "def f(", "test": "x"},
            r"a\.jsonl:1: its tests cannot be used",
        ),
    ],
)
def test_bad_rows_are_refused_by_line(tmp_path: Path, row: dict, message: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    with pytest.raises(ValueError, match=message):
        HumanEval(str(tmp_path / "a.jsonl"), sandbox=LocalSandbox()).problems()


def test_a_completion_goes_behind_the_prompt_and_a_function_stands_alone() -> None:
    prompt = "def f(x):\n"
    assert python_function(prompt, "f", "    return 1\n") == "def f(x):\n    return 1\n"
    assert python_function(prompt, "f", "def f(x):\n    return 1\n") == "def f(x):\n    return 1\n"
    helper = "```python\n    return g(x)\n\ndef g(x):\n    return x\n```"
    assert python_function(prompt, "f", helper).startswith(prompt)
