"""LiveCodeBench: date windows, packed tests, programs that read stdin and functions."""

import base64
import json
import os
import pickle
import zlib
from pathlib import Path

import pytest

from k15.evaluation.benchmarks.livecodebench import LiveCodeBench, unpacked
from k15.sandbox.local import LocalSandbox

V4 = {"name": "livecodebench_v4", "first": "2024-08-01", "last": "2024-11-30"}
STDIN = [
    {"input": "2 3\n", "output": "5\n", "testtype": "stdin"},
    {"input": "1 1\n", "output": "2.0\n", "testtype": "stdin"},
]
CALLS = [
    {"input": "[1, 2]\n3", "output": "[4, 5]", "testtype": "functional"},
    {"input": "[]\n1", "output": "[]", "testtype": "functional"},
]


def packed(tests: object) -> str:
    """As the data set stores its private tests."""
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(tests)))).decode()


def row(number: int, day: str, **more: object) -> dict:
    return {
        "question_id": str(number),
        "question_content": "Add the numbers.",
        "contest_date": f"{day}T00:00:00",
        "platform": "atcoder",
        "difficulty": "easy",
        "starter_code": "",
        "public_test_cases": json.dumps(STDIN[:1]),
        "private_test_cases": packed(STDIN[1:]),
        "metadata": "{}",
        **more,
    }


def benchmark(folder: Path, *rows: dict) -> LiveCodeBench:
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return LiveCodeBench(str(folder), files=["test.jsonl"], sandbox=LocalSandbox(), **V4)


def test_only_contests_of_the_window(tmp_path: Path) -> None:
    days = ["2024-07-31", "2024-08-01", "2024-11-30", "2024-12-01"]
    problems = benchmark(tmp_path, *(row(i, day) for i, day in enumerate(days))).problems()
    assert [problem.meta["contest_date"] for problem in problems] == days[1:3]


def test_right_programs_score_100_percent_and_wrong_ones_none(tmp_path: Path) -> None:
    starter = (
        "class Solution:\n    def add(self, numbers: List[int], k: int) -> List[int]:\n        "
    )
    function = row(
        2,
        "2024-09-02",
        starter_code=starter,
        public_test_cases=json.dumps(CALLS[:1]),
        private_test_cases=packed(CALLS[1:]),
        metadata=json.dumps({"func_name": "add"}),
    )
    with benchmark(tmp_path, row(1, "2024-09-01"), function) as lcb:
        reads, calls = lcb.problems()
        assert len(reads.tests) == len(calls.tests) == 2
        assert starter in calls.prompt[0]["content"]
        for problem, right, wrong in (
            (reads, "print(sum(map(int, input().split())))", "print(5)"),
            (calls, f"{starter}return [n + k for n in numbers]", f"{starter}return [4, 5]"),
        ):
            assert lcb.grade(problem, f"```python\n{right}\n```").correct == 1
            assert lcb.grade(problem, f"```python\n{wrong}\n```").correct == 0


def test_a_packed_value_that_names_code_is_refused_unread() -> None:
    class Evil:
        def __reduce__(self):
            return os.system, ("true",)

    text = base64.b64encode(zlib.compress(pickle.dumps(Evil()))).decode()
    with pytest.raises(ValueError, match=r"neither JSON nor packed JSON: it names posix\.system"):
        unpacked(text)


def test_bad_dates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"test\.jsonl:1: field 'contest_date' must be a date"):
        benchmark(tmp_path, row(1, "soon")).problems()
    with pytest.raises(ValueError, match="benchmark livecodebench_v4: '2024-13-01' is no day"):
        LiveCodeBench("x", files=[], sandbox=LocalSandbox(), **{**V4, "last": "2024-13-01"})
