"""evaluate.py as it is typed, on tiny models and on files."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import evaluate
from k15.config import load
from k15.models.tiny import tiny_policy
from k15.tasks.make24 import Make24
from tests.programs import Program

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A Make 24 policy with random weights."""
    folder = tmp_path_factory.mktemp("model")
    tiny_policy(words=Make24().words).save(folder)
    return folder


def run(*words):
    evaluate.main(words)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_tasks_held_out_problems(model, tmp_path, capsys):
    words = (f"model.path={model}", f"run_dir={tmp_path}", "limit=6")
    run(*words, "benchmark.samples=2", "benchmark.pass_at=[1,2]")
    shown = capsys.readouterr().out
    assert "pass@2" in shown and f"results: {tmp_path}/results.json" in shown
    samples = lines(tmp_path / "samples.jsonl")
    assert Counter(sample["id"] for sample in samples) == {
        f"make24-held_out-1-{index}": 2 for index in range(6)
    }
    assert {"id", "response", "extracted", "correct", "tokens"} <= samples[0].keys()
    (score,) = json.loads((tmp_path / "results.json").read_text())["scores"]
    right = sum(sample["correct"] for sample in samples)
    assert score["metrics"]["accuracy"]["value"] == pytest.approx(right / 12)
    assert "make24-held_out-1-5" in (tmp_path / "report.html").read_text()


def test_two_runs_side_by_side(model, tmp_path, capsys):
    for seed in (0, 1):
        words = (f"model.path={model}", f"run_dir={tmp_path}/{seed}", "benchmark.limit=20")
        run(*words, f"sampling_seed={seed}", "report=false")
    run(f"compare=[{tmp_path}/0,{tmp_path}/1]", f"outputs={tmp_path}/outputs")
    assert "task" in capsys.readouterr().out
    (page,) = (tmp_path / "outputs" / "compare").glob("*/compare.html")
    assert page.stat().st_size > 1000


def write_problems(path):
    rows = [{"problem": f"{a}+1?", "answer": str(a + 1), "unique_id": str(a)} for a in range(4)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_responses_made_elsewhere_need_no_model(tmp_path, capsys):
    problems = write_problems(tmp_path / "problems.jsonl")
    responses = tmp_path / "responses.jsonl"
    given = [("0", "\\boxed{1}"), ("1", "\\boxed{7}"), ("2", "so it is \\boxed{3}")]
    rows = [{"id": problem, "response": text} for problem, text in given]
    responses.write_text("".join(json.dumps(row) + "\n" for row in rows))
    run(
        "benchmark=math500",
        f"benchmark.path={problems}",
        f"responses={responses}",
        f"run_dir={tmp_path}/run",
    )
    assert "1 of 4 problems of math500 have no response, such as 3" in capsys.readouterr().out
    verdicts = {s["id"]: s["correct"] for s in lines(tmp_path / "run" / "samples.jsonl")}
    assert verdicts == {"0": 1.0, "1": 0.0, "2": 1.0}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("benchmark=maths",), "choices of benchmark: aime2024"),
        (("compare=[one]",), "give two folders or more"),
        (("outputs=nowhere",), "no trained model under nowhere"),
        (("benchmark=[task,gsm8k]", "responses=r.jsonl"), "of which benchmark are they?"),
    ],
)
def test_mistakes_are_told_in_a_line(words, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        run(*words, f"run_dir={tmp_path}/run")
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_every_benchmark_composes():
    names = sorted(path.stem for path in (ROOT / "configs" / "benchmark").glob("*.yaml"))
    config = load("evaluate", [f"benchmark=[{','.join(names)}]", "prompting=[direct,cot,tree]"])
    assert sorted(config.benchmark) == names
    assert list(config.prompting) == ["direct", "cot", "tree"]


@pytest.mark.slow
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
def test_three_benchmarks_on_a_tiny_vision_model(tmp_path):
    files = {
        "aime2024": "math/aime2024.jsonl",
        "math500": "math/math500.jsonl",
        "mathvista": "mathvista/testmini.json",
    }
    run(
        "benchmark=[aime2024,math500,mathvista]",
        *(f"benchmark.{name}.path={DATA / file}" for name, file in files.items()),
        "benchmark.mathvista.missing_images=skip",
        "limit=3",
        "benchmark.aime2024.limit=2",
        "benchmark.max_response_tokens=64",
        "model=tiny_bytes",
        "model.modality=image",
        f"run_dir={tmp_path}",
    )
    samples = lines(tmp_path / "samples.jsonl")
    assert Counter(s["benchmark"] for s in samples) == {
        "aime2024": 16,
        "math500": 3,
        "mathvista": 3,
    }
    problems = lines(tmp_path / "problems.jsonl")
    pictures = [p for p in problems if p["benchmark"] == "mathvista" and p["images"]]
    assert len(pictures) == 3


@pytest.mark.slow
def test_a_killed_run_ends_as_an_undisturbed_one(model, tmp_path):
    words = ["evaluate.py", f"model.path={model}", "benchmark.limit=40", "engine.slots=4"]
    words += ["report=false"]

    def start(folder):
        return Program([*words, f"run_dir={folder}"], cwd=ROOT, env=ENVIRONMENT)

    undisturbed = [sys.executable, *words, f"run_dir={tmp_path}/undisturbed"]
    subprocess.run(undisturbed, cwd=ROOT, env=ENVIRONMENT, timeout=120, check=True)
    process, responses = start(tmp_path / "killed"), tmp_path / "killed" / "responses.jsonl"
    while not responses.exists() or len(responses.read_bytes().splitlines()) < 10:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    before = responses.read_bytes()
    assert start(tmp_path / "killed").wait(120) == 0
    # what was there stays as it was, to the last whole line, and is not made again
    kept = before[: before.rfind(b"\n") + 1]
    assert responses.read_bytes().startswith(kept)
    first, second = (
        sorted(lines(tmp_path / name / "samples.jsonl"), key=lambda s: s["id"])
        for name in ("undisturbed", "killed")
    )
    assert first == second and len(first) == 40


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_share_the_work_and_find_what_one_finds(model, tmp_path):
    found = {}
    for ranks in (1, 2):
        folder = tmp_path / str(ranks)
        words = [f"model.path={model}", "benchmark.limit=9", f"fabric.devices={ranks}"]
        words += [f"run_dir={folder}", "report=false"]
        program = Program(["evaluate.py", *words], cwd=ROOT, env=ENVIRONMENT)
        said = program.output(400)
        assert program.returncode == 0, said
        parts = [lines(file) for file in sorted(folder.glob("samples*.jsonl"))]
        assert [len(part) for part in parts] == {1: [9], 2: [5, 4]}[ranks]
        (score,) = json.loads((folder / "results.json").read_text())["scores"]
        assert score["problems"] == 9
        samples = sorted((row for part in parts for row in part), key=lambda row: row["id"])
        found[ranks] = samples, score["metrics"]
    assert found[1] == found[2]
