"""MATH-Vision: letters, option texts and numbers."""

import json
from contextlib import closing
from pathlib import Path

import pytest

from k15.evaluation.benchmarks.mathvision import MathVision

DATA = Path(__file__).parents[4] / "shared" / "data" / "mathvision"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not here")


@needs_data
def test_gold_answers_score_100_percent_and_wrong_ones_none() -> None:
    benchmark = MathVision(str(DATA / "val.jsonl"))
    with closing(benchmark):
        problems = benchmark.problems()
        assert len(problems) == 100
        assert {len(problem.images) for problem in problems} == {1}
        for problem in problems:
            right = benchmark.grade(problem, f"\\boxed{{{problem.answer}}}")
            letters = "ABCDE".replace(problem.answer, "")
            wrong = letters[0] if problem.meta["choices"] else "-7919"
            assert right.correct == 1, (problem.id, right)
            assert benchmark.grade(problem, f"\\boxed{{{wrong}}}").correct == 0
            assert benchmark.grade(problem, "").correct == 0


def test_an_option_may_be_named_by_its_value(tmp_path: Path) -> None:
    options = ["$4 \\mathrm{~cm}$", "$5 \\mathrm{~cm}$", "neither"]
    row = {"id": "1", "question": "x", "options": options, "answer": "B", "subject": "length"}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    benchmark = MathVision(str(tmp_path / "a.jsonl"), missing_images="text_only")
    [problem] = benchmark.problems()
    with closing(benchmark):
        assert benchmark.grade(problem, "\\boxed{5 cm}").correct == 1
        assert benchmark.grade(problem, "\\boxed{4 cm}").correct == 0


def test_answers_that_are_no_option_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(
        '{"id": "1", "question": "x", "options": ["p", "q"], "answer": "C", "subject": "s"}\n'
    )
    with pytest.raises(
        ValueError,
        match=r"a\.jsonl:1: field 'answer' cannot be a reference: it must be the letter of an",
    ):
        MathVision(str(file), missing_images="text_only").problems()
