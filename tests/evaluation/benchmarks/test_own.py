"""docs/evaluation.md: the benchmarks of one's own are written down as they stand there, and run."""

import importlib
import re
from pathlib import Path

import pytest

from k15.config import ROOT, build, load
from k15.engines.protocol import Request
from k15.evaluation.evaluator import Evaluator
from tests.evaluation.sums import Characters, Sums, answering

PAGE = (ROOT.parent / "docs" / "evaluation.md").read_text(encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files of the page."""
    for name, text in re.findall(r"^```\w+\n# (\S+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return tmp_path


def test_an_own_benchmark_has_less_than_30_lines_and_grades(project: Path) -> None:
    assert len((project / "my_benchmark.py").read_text().splitlines()) < 30
    config = load("evaluate", ["benchmark=backwards.yaml"])
    with build(config.benchmark.backwards) as benchmark:
        problems = benchmark.problems()
        assert (benchmark.samples, benchmark.majority_at) == (4, (4,))
        right = [benchmark.grade(p, f"Let me see.\n{p.answer}").correct for p in problems]
        wrong = [benchmark.grade(p, f"Let me see.\n{p.id}").correct for p in problems]
    assert (right, wrong) == ([1, 1, 1], [0, 0, 0])


def test_a_file_of_questions_needs_no_code(project: Path) -> None:
    (project / "my_questions.jsonl").write_text('{"problem": "1/2 + 1/2?", "answer": 1}\n')
    config = load("evaluate", ["benchmark=my_questions.yaml"])
    benchmark = build(config.benchmark.my_questions)
    [problem] = benchmark.problems()
    assert benchmark.grade(problem, "\\boxed{1.0}").correct == 1
    assert benchmark.grade(problem, "\\boxed{2}").correct == 0


def test_an_own_prompting_asks_twice(project: Path) -> None:
    config = load("evaluate", ["prompting.twice._target_=my_prompting.Twice"])
    promptings = build(config.prompting)
    assert sorted(promptings) == ["plain", "twice"]
    evaluator = Evaluator(
        benchmarks={"sums": Sums(size=2)},
        promptings={"twice": promptings["twice"]},
        run_dir=project,
    )
    prompts = []

    def answer(prompt: str, request: Request) -> str:
        prompts.append(prompt)
        return "1" if "first try" in prompt else "0"

    evaluator.run(answering(answer), Characters())
    assert [sample.correct for sample in evaluator.samples()] == [1.0, 0.0]
    assert prompts[2:] == [f"{p}\nA first try was: 0\nCheck it and answer." for p in prompts[:2]]


def test_every_benchmark_is_in_the_table() -> None:
    named = set(re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\|(.*?)\|", PAGE, re.MULTILINE))))
    assert {file.stem for file in (ROOT / "benchmark").glob("*.yaml")} <= named
