"""Pools of different questions, their sides, and what a task with too few of them says."""

from collections import Counter
from random import Random

import pytest

from k15.questions import fingerprint_of
from k15.tasks.base import Task
from k15.tasks.make24 import Make24
from k15.tasks.programs import Programs
from k15.types import Problem


class Sums(Task):
    """Level L has the questions 0+L to N+L, each as likely."""

    name, words, largest = "sums", (), 1000

    def sample(self, rng: Random, level: int) -> Problem:
        n = rng.randint(0, self.largest if level > 1 else 5)
        prompt = ({"role": "user", "content": f"{n}+{level}"},)
        return Problem(id="", prompt=prompt, answer=str(n + level), difficulty=level)

    def demonstrate(self, problem: Problem, rng: Random) -> str:  # type: ignore[override]
        return str(problem.answer)

    def check(self, problem: Problem, response: str) -> float:
        return float(response == problem.answer)


def asked(task: Task, numbers: list[int], split: str) -> list[str]:
    return [str(task.problem(n, split).prompt[0]["content"]) for n in numbers]  # type: ignore[arg-type]


@pytest.mark.parametrize("task", [Make24(seed=1), Programs(seed=1)], ids=lambda task: task.name)
def test_four_hundred_held_out_questions_are_different_and_not_trained_on(task: Task) -> None:
    held_out = asked(task, task.held_out(400), "held_out")
    train = asked(task, task.different(400, "train"), "train")
    assert len(set(held_out)) == len(set(train)) == 400
    assert not set(held_out) & set(train)
    other = type(task)(seed=2)
    assert not set(held_out) & {other.problem(i).prompt[0]["content"] for i in range(300)}


def test_levels_have_equal_shares_but_for_one_that_has_few() -> None:
    """Level 1 has 6 questions; levels 2 and 3 some 250 held-out ones each, and are drawn alike."""
    task = Sums(levels=[1, 2, 3])
    problems = [task.problem(n, "held_out") for n in task.held_out(100)]
    counts = Counter(problem.difficulty for problem in problems)
    assert 0 < counts[1] <= 5 and sum(counts.values()) == 100
    assert abs(counts[2] - counts[3]) < 30  # three standard deviations


def test_the_first_questions_are_the_same_however_many_are_asked_for() -> None:
    task = Make24(seed=3)
    assert task.held_out(400)[:50] == task.held_out(50)


def test_more_than_there_are_is_refused_with_their_number() -> None:
    """Of the 33 questions of Make 24's level 1, seven are held out."""
    message = r"n=40: task 'make24' has 7 different held-out questions at task\.levels=\[1\]; ask"
    with pytest.raises(ValueError, match=message):
        Make24(levels=[1]).held_out(40, "n")
    assert len(Make24(levels=[1]).held_out(7)) == 7
    with pytest.raises(ValueError, match=r"data\.held_out_problems=0: must be at least 1"):
        Make24().held_out(0)


def test_a_level_with_few_questions_is_named_once(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        Sums(levels=[1, 2], seed=77).held_out(130)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert out.startswith("task 'sums': 130 different held-out questions, but only ")
    assert " of level 1, which have few" in out


def test_both_forms_of_a_question_are_one_and_on_one_side() -> None:
    text, picture = Make24(seed=1), Make24(seed=1, modality="image")
    assert text.held_out(20) == picture.held_out(20)
    for index in range(5):
        assert fingerprint_of(text.problem(index)) == fingerprint_of(picture.problem(index))


def test_a_task_with_one_question_says_so_instead_of_searching_forever() -> None:
    class One(Sums):
        largest = 0

    for split in ("train", "held_out"):
        task = One(levels=[2])
        try:
            assert len(task.different(5, split)) == 1  # type: ignore[arg-type]
        except ValueError as error:
            assert "too few different questions" in str(error)
            break
    else:
        raise AssertionError("its one question is on both sides")
