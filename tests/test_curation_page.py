"""docs/curation.md: its commands run, its files are read, its code does what it says."""

import json
import re
import shlex
from pathlib import Path

import pytest

from k15.config import load
from k15.models.tiny import tiny_policy
from k15.problems import curate, generate_tests

PAGE = (Path(__file__).parents[1] / "docs" / "curation.md").read_text()
CURATE = re.findall(r"^python -m k15\.problems\.curate (.*)$", PAGE, re.MULTILINE)
GENERATE = re.findall(r"^python -m k15\.problems\.generate_tests (.*)$", PAGE, re.MULTILINE)
QUESTIONS = [f"What is {n} plus {n + 1}?" for n in range(12)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the files that the page speaks of; a benchmark is in the file `benchmark.jsonl`."""
    rows = [{"id": f"p{n}", "problem": q, "answer": 2 * n + 1} for n, q in enumerate(QUESTIONS)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "problems.jsonl").write_text(text)
    asked = [{"problem": question, "answer": 7} for question in (QUESTIONS[3], "What is 5 - 1?")]
    (tmp_path / "benchmark.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    [contest] = re.findall(r"^# contests\.jsonl\n(.*)$", PAGE, re.MULTILINE)
    row = json.loads(contest)
    row["programs"] = [program for program in row["programs"] if program != "..."] * 10
    (tmp_path / "contests.jsonl").write_text(json.dumps(row) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def own(command: str) -> list[str]:
    """The words of a command, the benchmarks' files in the place of the hub's."""
    words = shlex.split(command)
    [benchmarks] = [word.partition("=")[2].strip("[]") for word in words if "benchmark=" in word]
    return [*words, *(f"benchmark.{name}.path=benchmark.jsonl" for name in benchmarks.split(","))]


def test_rules_alone_need_no_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curate.main([*own(CURATE[0]), "run_dir=run"])
    assert "- contaminated                       1" in capsys.readouterr().out
    kept = [json.loads(line) for line in (folder / "run" / "curated.jsonl").open()]
    assert {row["id"] for row in kept} == {f"p{n}" for n in range(12) if n != 3}
    files = re.findall(r"^(\w+\.\w+) {2,}", PAGE, re.MULTILINE)
    assert {*files} - {"measured.jsonl"} <= {file.name for file in (folder / "run").iterdir()}


def test_a_real_model_is_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_policy(context=256, hidden_size=32, layers=1).save(folder / "mine")
    words = [word.replace("Qwen/Qwen3-0.6B", f"{folder}/mine") for word in own(CURATE[1])]
    curate.main([*words, "answers.samples=2", "data.max_response_tokens=4", "run_dir=run"])
    measured = [json.loads(line) for line in (folder / "run" / "measured.jsonl").open()]
    assert len(measured) == 11 and all(len(line["guessed"]) == 8 for line in measured)
    tiny_policy(context=256, hidden_size=32, layers=1).save(folder / "mine")  # other weights
    capsys.readouterr()
    curate.main([*words, "answers.samples=2", "data.max_response_tokens=4", "run_dir=run"])
    assert "11 problems were measured in another way: once more" in capsys.readouterr().out


@pytest.mark.usefixtures("local_sandbox")
def test_tests_are_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(GENERATE[0])
    generate_tests.main([*words, "thresholds.cases=8", "thresholds.fewest_valid=6", "run_dir=run"])
    assert re.search(r"^kept +1$", capsys.readouterr().out, re.MULTILINE)


def test_a_model_as_generator_composes(folder: Path) -> None:
    tiny_policy(context=256, hidden_size=32, layers=1).save(folder / "mine")
    words = shlex.split(GENERATE[1].replace("Qwen/Qwen3-8B", f"{folder}/mine"))
    config = load("generate_tests", words)
    assert config.generator._target_ == "k15.problems.test_generation.writer.ModelWriter"
    assert config.choices.engine == "transformers"


def test_the_code_of_the_page_holds() -> None:
    [code] = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    exec(code, {"__name__": "page"})


def test_settings_of_the_table_are_settings(folder: Path) -> None:
    rows = re.findall(r"^\| [^|]+\|[^|]+\| (`.*) \|$", PAGE, re.MULTILINE)
    settings = [word for row in rows for word in re.findall(r"`([^`]*=[^`]*)`", row)]
    given = [word for word in settings if "..." not in word]
    assert len(given) >= 6
    for setting in given:
        load("curate", ["data.path=problems.jsonl", *re.split(r" (?=\w+=)", setting)])
