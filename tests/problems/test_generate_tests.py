"""The program that writes tests: its files, going on, and what it makes of real problems."""

import json
from pathlib import Path

import pytest

from k15.config import load
from k15.graders.code.grader import CodeGrader
from k15.problems.generate_tests import main, run
from k15.sandbox.local import LocalSandbox
from k15.types import Problem

DATA = Path(__file__).parents[3] / "shared" / "data" / "code"
LARGEST = {
    "id": "largest",
    "problem": "Return the largest of the numbers.\n>>> largest([1, 5, 2])\n5",
    "function": "largest",
    "examples": [[[3, 1, 2]], [[4, 4]], [[-1, -7, 0]]],
    "programs": ["def largest(xs):\n    return max(xs)\n"] * 10,
}
ANY = {**LARGEST, "id": "any", "problem": "Return the numbers in any order."}
FEW = {**LARGEST, "id": "few", "programs": LARGEST["programs"][:3]}


def command(folder: Path, *rows: dict) -> list[str]:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    smaller = ["thresholds.cases=8", "thresholds.fewest_valid=6"]
    return [f"path={folder}/rows.jsonl", f"run_dir={folder}/run", *smaller]


@pytest.mark.usefixtures("local_sandbox")
def test_the_funnel_is_told_and_another_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(command(tmp_path, LARGEST, ANY, FEW))
    assert "no special judge                     2" in capsys.readouterr().out
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["funnel"]["kept"] == 1
    assert [one["stage"] for one in report["problems"]] == ["kept", "special judge", "few programs"]
    [kept] = map(json.loads, (tmp_path / "run" / "problems.jsonl").read_text().splitlines())
    assert kept["tests"][0]["arguments"] == [[1, 5, 2]] and kept["tests"][0]["output"] == 5

    journal = tmp_path / "run" / "generated.jsonl"
    before = journal.read_text()
    more = {**LARGEST, "id": "more"}
    main(command(tmp_path, LARGEST, ANY, FEW, more))
    assert journal.read_text().startswith(before)
    assert len(journal.read_text().splitlines()) == 4


@pytest.mark.slow
@pytest.mark.usefixtures("local_sandbox")
@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data/code")
def test_tests_of_a_contest_problem_reject_its_wrong_programs(tmp_path: Path) -> None:
    """APPS 0001, read from stdin: of the model's programs those with the result false."""
    rows = [json.loads(line) for line in (DATA / "apps_samples.jsonl").read_text().splitlines()]
    (tmp_path / "rows.jsonl").write_text(json.dumps(rows[0]) + "\n")
    run(load("generate_tests", [f"path={tmp_path}/rows.jsonl", f"run_dir={tmp_path}/run"]))
    [kept] = map(json.loads, (tmp_path / "run" / "problems.jsonl").read_text().splitlines())
    assert len(kept["tests"]) == 50
    problem = Problem(id="0001", prompt=(), answer=None, domain="code", tests=kept["tests"])
    by_result = {True: [], False: []}
    for one in rows[0]["model_solutions"]:
        if isinstance(one["result"], bool):
            by_result[one["result"]].append(one["code"])
    sandbox = LocalSandbox()
    grader = CodeGrader(sandbox)

    def passed(programs: list[str]) -> list[float]:
        return [grader.grade_program(problem, program).correct for program in programs]

    assert not any(passed(by_result[False])) and len(by_result[False]) > 2
    assert all(passed(by_result[True][:3]))
    sandbox.close()
