"""AIME, MATH-500, AMC, GSM8K and CMATH: all right with gold answers, none with wrong ones."""

from contextlib import closing
from pathlib import Path

import pytest

from k15.evaluation.benchmarks.math import Aime, Cmath, Gsm8k, MathBenchmark

DATA = Path(__file__).parents[4] / "shared" / "data"
FILES = {
    "aime2024": (Aime, "math/aime2024.jsonl", 30),
    "aime2025": (Aime, "math/aime2025.jsonl", 30),
    "math500": (MathBenchmark, "math/math500.jsonl", 500),
    "amc23": (MathBenchmark, "math/amc23.jsonl", 40),
    "gsm8k": (Gsm8k, "gsm8k/test.jsonl", 1319),
    "cmath": (Cmath, "math/cmath_test.jsonl", 600),
}


@pytest.mark.parametrize("name", FILES)
def test_gold_answers_score_100_percent_and_wrong_ones_none(name: str) -> None:
    kind, file, count = FILES[name]
    if not (DATA / file).exists():
        pytest.skip(f"../shared/data/{file} is not here")
    benchmark = kind(str(DATA / file), name=name)
    with closing(benchmark):
        problems = benchmark.problems()
        assert len(problems) == count == len({problem.id for problem in problems})
        for problem in problems:
            assert benchmark.grade(problem, f"So it is \\boxed{{{problem.answer}}}.").correct == 1
            assert benchmark.grade(problem, "It is \\boxed{-7919}.").correct == 0
            assert benchmark.grade(problem, "").correct == 0


def test_aime_takes_whole_numbers_from_0_to_999(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"problem": "x", "answer": "073"}\n{"problem": "y", "answer": "1000"}\n')
    with pytest.raises(ValueError, match=r"a\.jsonl:2: field 'answer' cannot be a reference"):
        Aime(str(file), name="aime").problems()
    file.write_text('{"problem": "x", "answer": "073"}\n')
    benchmark = Aime(str(file), name="aime")
    [problem] = benchmark.problems()
    assert problem.answer == "73"
    right = ("\\boxed{73}", "\\boxed{073}", "The final answer is 73.")
    assert [benchmark.grade(problem, text).correct for text in right] == [1, 1, 1]
    wrong = ("\\boxed{73.5}", "\\boxed{-73}", "73 was the first guess, \\boxed{74} is right")
    assert [benchmark.grade(problem, text).correct for text in wrong] == [0, 0, 0]


def test_a_strict_extraction_reads_boxes_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"problem": "x", "answer": "5"}\n')
    for extraction, score in (("free", 1), ("boxed", 0)):
        benchmark = MathBenchmark(str(file), name="mine", extraction=extraction)
        [problem] = benchmark.problems()
        assert benchmark.grade(problem, "The final answer is 5.").correct == score
        assert benchmark.grade(problem, "\\boxed{5}").correct == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.5", "\\frac{1}{2}"),
        ("10{,}000", "10000"),
        ("(1,2)", "(1, 2)"),
        ("5", "x=5"),
        ("2,3", "3,2"),
        ("\\$18", "18"),
        ("\\tan x\\cos x", "\\sin x"),
    ],
)
def test_equal_answers_vote_together(one: str, other: str) -> None:
    with MathBenchmark("x", name="mine") as benchmark:
        assert benchmark.same(one, other) and benchmark.same(other, one)


def test_different_answers_do_not_vote_together() -> None:
    benchmark = MathBenchmark("x", name="mine")
    for one, other in (("10000", "1000"), ("(0, 1)", "[0, 1]"), ("(1,2)", "(2,1)"), ("", "5")):
        assert not benchmark.same(one, other) and not benchmark.same(other, one)


def test_gsm8k_wants_its_mark(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"question": "x", "answer": "1+1=2"}\n')
    with pytest.raises(ValueError, match=r'a\.jsonl:1: field .answer. must end in "#### "'):
        Gsm8k(str(file), name="gsm8k").problems()


def test_cmath_asks_in_chinese_and_shows_grades() -> None:
    assert all("\\boxed{}" in text and "答案" in text for text in Cmath.instructions.values())
    if not (DATA / FILES["cmath"][1]).exists():
        pytest.skip("../shared/data is not here")
    problems = Cmath(str(DATA / FILES["cmath"][1]), name="cmath", groups=["level"]).problems()
    assert {problem.meta["level"] for problem in problems} == set("123456")
