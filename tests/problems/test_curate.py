"""The program that curates: what was planted goes, the rest stays, and nothing is done twice."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from k15.config import load
from k15.problems.curate import curate, main
from k15.problems.record_source import RecordSource
from k15.questions import text_of
from k15.tasks.word_problems import WordProblems

DATA = Path(__file__).parents[3] / "shared" / "data"
ROOT = Path(__file__).parents[2]
Rows = list[dict]


def written(folder: Path, rows: Rows, *, lucky: tuple[str, ...] = (), dies_at: int = -1) -> list:
    """The command line that curates the rows with a model that knows their answers."""
    lines = "\n".join(json.dumps(row) for row in rows)
    (folder / "rows.jsonl").write_text(lines + "\n")
    known = {row["problem"].strip(): row["answer"] for row in rows}
    (folder / "answers.json").write_text(json.dumps(known))
    engine = {
        "_target_": "tests.problems.curation.answering.Answering",
        "answers": str(folder / "answers.json"),
        "lucky": list(lucky),
        "dies_at": dies_at,
    }
    (folder / "engine.yaml").write_text(json.dumps(engine))
    return [
        f"data.path={folder}/rows.jsonl",
        f"engine={folder}/engine.yaml",
        f"run_dir={folder}/run",
        "data.max_response_tokens=400",
    ]


def sums(number: int, first: int = 10) -> Rows:
    numbers = range(first, first + number)
    return [
        {"id": f"sum-{n}", "problem": f"What is {n} plus {n + 1}?", "answer": str(2 * n + 1)}
        for n in numbers
    ]


def times(folder: Path) -> dict[str, int]:
    files = (file for file in folder.iterdir() if file.name != "lock")
    return {file.name: file.stat().st_mtime_ns for file in files}


def test_every_step_names_its_reason_and_a_second_run_does_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = [
        {"id": "choice", "problem": "What is 2+2? (A) 3 (B) 4 (C) 5", "answer": "4"},
        {"id": "again", "problem": "What is 10  plus 11?", "answer": "21"},
        {"id": "broken", "problem": "What is the colour of numbers?", "answer": "{"},
        {"id": "lucky", "problem": "What is 1 plus 1?", "answer": "2"},
    ]
    argv = written(tmp_path, [*sums(6), *odd], lucky=("What is 1 plus 1?",))
    found = curate(load("curate", argv))
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["removed"] == {
        "multiple choice": 1,
        "exact duplicate": 1,
        "not verifiable": 1,
        "guessable": 1,
    }
    assert "- guessable                          1" in found
    assert {one["id"] for one in report["removals"]} == {"choice", "again", "broken", "lucky"}
    assert sum(report["pass_rates"]["before"]) == 7 and sum(report["pass_rates"]["after"]) == 6
    assert (tmp_path / "run" / "difficulty.png").stat().st_size > 1000
    written_at = times(tmp_path / "run")
    main(argv)
    assert "nothing to do" in capsys.readouterr().out
    assert times(tmp_path / "run") == written_at


def test_curated_problems_are_read_as_they_were(tmp_path: Path) -> None:
    curate(load("curate", written(tmp_path, sums(30))))
    source = RecordSource(str(tmp_path / "run" / "curated.jsonl"))
    problems = [*source.train, *source.held_out]
    assert {p.id: (text_of(p.prompt), p.answer) for p in problems} == {
        row["id"]: (row["problem"], row["answer"]) for row in sums(30)
    }


def test_other_settings_measure_again_and_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = written(tmp_path, sums(4))
    curate(load("curate", argv))
    curate(load("curate", [*argv, "answers.temperature=0.7"]))
    assert "4 problems were measured in another way: once more" in capsys.readouterr().out
    assert len((tmp_path / "run" / "measured.jsonl").read_text().splitlines()) == 8


@pytest.mark.slow
def test_a_killed_run_loses_one_batch_at_most_and_goes_on(tmp_path: Path) -> None:
    """Two calls of the engine are a batch of 4 problems: the fifth call is within the third."""
    rows = sums(20)
    killed = [*written(tmp_path, rows, dies_at=5), "batch=4"]
    program = [sys.executable, "-m", "k15.problems.curate", *killed]
    assert subprocess.run(program, cwd=ROOT, capture_output=True).returncode == -9
    journal = tmp_path / "run" / "measured.jsonl"
    kept = journal.read_text()
    assert len(kept.splitlines()) == 8 and kept.endswith("\n")
    curate(load("curate", [*written(tmp_path, rows), "batch=5"]))
    assert journal.read_text().startswith(kept)
    uninterrupted = tmp_path / "other"
    uninterrupted.mkdir()
    curate(load("curate", written(uninterrupted, rows)))

    def rates(folder: Path) -> dict[str, float]:
        lines = (folder / "run" / "curated.jsonl").read_text().splitlines()
        return {row["id"]: row["pass_rate"] for row in map(json.loads, lines)}

    assert rates(tmp_path) == rates(uninterrupted) and len(rates(tmp_path)) == 20


def planted(math: Rows, benchmark: Rows) -> dict[str, Rows]:
    """Ten rows of each kind that must go, made of real ones."""

    def made(kind: str, rows: Rows, change) -> Rows:
        return [{**row, **change(row), "id": f"{kind}-{n}"} for n, row in enumerate(rows)]

    def options(row: dict) -> dict:
        return {"problem": f"{row['problem']}\n(A) {row['answer']} (B) 17 (C) 23 (D) 29"}

    def theorem(row: dict) -> dict:
        return {"problem": f"Prove that the answer of a student, {row['answer']}, is right."}

    def reworded(row: dict) -> dict:
        return {"problem": f"Please answer this. {row['problem']}"}

    long = [row for row in math if len(row["problem"].split()) > 30]
    asked = [row for row in benchmark if len(row["problem"].split()) > 30]
    return {
        "multiple choice": made("choice", math[:10], options),
        "proof": made("proof", math[10:20], theorem),
        "exact duplicate": made("exact", math[20:30], lambda row: {}),
        "near duplicate": made("near", long[-10:], reworded),
        "contaminated": made("leak", benchmark[:5], lambda row: {})
        + made("near-leak", asked[5:10], reworded),
        "guessable": made("lucky", sums(10, first=3000), lambda row: {}),
    }


@pytest.mark.slow
@pytest.mark.skipif(not (DATA / "math").is_dir(), reason="needs ../shared/data/math")
def test_four_hundred_problems_lose_what_was_planted_and_less_than_two_percent_more(
    tmp_path: Path,
) -> None:
    """200 of MATH-train and 200 word problems, 60 planted rows among them."""

    def read(name: str) -> Rows:
        lines = (DATA / "math" / name).read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        return [
            {"id": str(row.get("id", n)), "problem": row["problem"], "answer": row["answer"]}
            for n, row in enumerate(rows)
        ]

    math, task = read("math_train.jsonl")[:200], WordProblems(seed=1)
    words = [task.problem(number) for number in task.different(200, "train")]
    procedural = [
        {"id": one.id, "problem": text_of(one.prompt), "answer": one.answer} for one in words
    ]
    bad = planted(math, read("math500.jsonl"))
    rows = [*math, *procedural, *(row for kind in bad.values() for row in kind)]
    lucky = tuple(row["problem"] for row in bad["guessable"])
    argv = [
        *written(tmp_path, rows, lucky=lucky),
        "benchmark=math500",
        f"benchmark.math500.path={DATA}/math/math500.jsonl",
        "data.max_response_tokens=600",
    ]
    curate(load("curate", argv))
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    gone = {one["id"]: one["reason"] for one in report["removals"]}
    expected = {row["id"]: kind for kind, some in bad.items() for row in some}
    assert {id: gone.get(id) for id in expected} == expected
    others = {id: reason for id, reason in gone.items() if id not in expected}
    assert len(others) < 0.02 * 400, Counter(others.values())
    assert "nothing to do" in curate(load("curate", argv))
