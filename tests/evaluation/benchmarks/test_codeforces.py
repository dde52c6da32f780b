"""Contest problems: programs are graded by all tests and vote by what they print."""

import json
from pathlib import Path

import pytest

from k15.evaluation.benchmarks.codeforces import Codeforces, fenced
from k15.sandbox.local import LocalSandbox

APPS = Path(__file__).parents[4] / "shared" / "data" / "code" / "apps_samples.jsonl"
ROW = {
    "name": "1_A. Square",
    "description": "Print the square of the number.",
    "cf_rating": 800,
    "public_tests": {"input": ["2\n"], "output": ["4\n"]},
    "private_tests": {"input": ["3\n", "-5\n"], "output": ["9\n", "25\n"]},
    "generated_tests": {"input": [], "output": []},
}
SQUARE, SAME, DOUBLE, BROKEN = (
    f"```python\n{code}\n```"
    for code in (
        "print(int(input())**2)",
        "n=int(input());print(n*n)",
        "print(2*int(input()))",
        "x",
    )
)


def benchmark(folder: Path, **settings: object) -> Codeforces:
    (folder / "a.jsonl").write_text(json.dumps(ROW))
    return Codeforces(str(folder / "a.jsonl"), sandbox=LocalSandbox(), **settings)


def test_programs_that_print_the_same_vote_together(tmp_path: Path) -> None:
    """On the example 2 the double is the square, too: only inputs of one's own tell them apart."""
    asked = []

    def write_inputs(prompt: str) -> str:
        asked.append(prompt)
        return "Zero and ten:\n```\n0\n```\n```text\n10\n```\n"

    by_example = benchmark(tmp_path)
    by_inputs = benchmark(tmp_path, write_inputs=write_inputs)
    with by_example, by_inputs:
        [problem] = by_example.problems()
        votes = {}
        for name, cf in (("example", by_example), ("inputs", by_inputs)):
            verdicts = [cf.grade(problem, code) for code in (SQUARE, SAME, DOUBLE, BROKEN)]
            assert [verdict.correct for verdict in verdicts] == [1, 1, 0, 0]
            assert verdicts[3].extracted is None  # it prints nothing, so it does not vote
            votes[name] = [str(verdict.extracted) for verdict in verdicts[:3]]
    assert all(cf.same(votes["example"][0], other) for other in votes["example"])
    assert cf.same(*votes["inputs"][:2]) and not cf.same(*votes["inputs"][1:])
    assert len(asked) == 1 and asked[0].startswith(ROW["description"])


@pytest.mark.skipif(not APPS.exists(), reason="../shared/data is not here")
def test_accepted_programs_of_apps_pass_and_failed_ones_do_not() -> None:
    rows = [json.loads(line) for line in APPS.read_text().splitlines()]
    with Codeforces(str(APPS), sandbox=LocalSandbox()) as cf:
        problems = {problem.id: problem for problem in cf.problems()}
        assert len(problems) == 3  # the other two call a function
        row = next(row for row in rows if row["problem_id"] == "APPS/train/0111")
        problem = problems["APPS/APPS/train/0111"]
        accepted = f"```python\n{row['accepted_solutions'][0]}\n```"
        assert cf.grade(problem, accepted).correct == 1
        failed = [s["code"] for s in row["model_solutions"] if s["result"] is not True]
        assert cf.grade(problem, f"```python\n{failed[0]}\n```").correct == 0


def test_blocks_of_a_response() -> None:
    assert fenced("a\n```\n1\n2\n```\nb\n```text\n3\n```") == ["1\n2\n", "3\n"]
    assert fenced("```\nnot closed") == []
