"""The held-out problems of a procedural task as a benchmark."""

from random import Random

import pytest

from k15.evaluation.benchmarks.task import TaskBenchmark
from k15.problems.sources import TaskSource
from k15.questions import fingerprint_of
from k15.tasks.make24 import Make24


def test_gold_answers_score_100_percent_and_wrong_ones_none() -> None:
    task = Make24()
    benchmark = TaskBenchmark(task, size=50)
    problems = benchmark.problems()
    assert benchmark.name == "make24" and len(problems) == 50
    assert len({fingerprint_of(problem) for problem in problems}) == 50
    assert [problem.id for problem in problems] == [p.id for p in TaskSource(task).held_out[:50]]
    assert {problem.meta["level"] for problem in problems} == set("12345")
    for problem in problems:
        verdict = benchmark.grade(problem, f"<think>no</think>\\boxed{{{problem.answer}}}")
        assert (verdict.correct, verdict.extracted) == (1, problem.answer)
        flipped = problem.answer.translate(str.maketrans("+-", "-+"))  # 24 +- x: x is not 0
        assert benchmark.grade(problem, f"\\boxed{{{flipped}}}").correct == 0
        assert benchmark.grade(problem, "").extracted is None


def test_a_demonstration_that_ends_in_an_answer_is_right() -> None:
    task = Make24(levels=[1])
    benchmark = TaskBenchmark(task, size=5)
    for problem in benchmark.problems():
        response = task.demonstrate(problem, Random(0), max_trials=4, give_up=0.0)
        assert benchmark.grade(problem, response).correct == 1


def test_no_problem_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="benchmark make24: size=0 must be at least 1"):
        TaskBenchmark(Make24(), size=0)
    with pytest.raises(ValueError, match=r"benchmark\.make24\.size=9: .* has 7 different held-out"):
        TaskBenchmark(Make24(levels=[1]), size=9).problems()
