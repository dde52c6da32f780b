"""Word problems: their arithmetic, their number, and what counts as right."""

import re
from random import Random

import pytest

from k15.tasks.word_problems import WordProblems
from k15.types import Problem

STEP = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)\.")
DONE = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "/": int.__floordiv__}


def test_a_problem_that_can_be_read_here() -> None:
    task = WordProblems(levels=[2])
    problem = task.sample(Random(1), 2)
    assert problem.prompt[0]["content"] == (
        "Ada has 19 stamps. Then Ravi takes away 16 of the stamps. Ada gives 2 stamps to Ravi. "
        "How many stamps are left with Ada in the end? Put the answer in \\boxed{}."
    )
    assert task.demonstrate(problem, Random(0)) == "19 - 16 = 3. 3 - 2 = 1. \\boxed{1}"


@pytest.mark.parametrize("largest", [10, 20, 200])
def test_every_step_is_right_and_its_numbers_stand_in_the_question(largest: int) -> None:
    task = WordProblems(levels=[1, 2, 3, 4, 5], largest=largest)
    for index in range(500):
        problem = task.problem(index)
        question, response = problem.prompt[0]["content"], task.demonstrate(problem, Random(0))
        steps = STEP.findall(response)
        assert len(steps) == problem.difficulty
        total = steps[0][0]
        assert re.search(rf"\b{total}\b", question)
        for left, sign, right, result in steps:
            assert left == total and DONE[sign](int(left), int(right)) == int(result)
            assert 0 < int(left) <= largest and 0 < int(result) <= largest
            if sign == "/":
                assert int(left) % int(right) == 0
            else:
                assert re.search(rf"\b{right}\b", question)
            total = result
        assert problem.answer == total and task.check(problem, response) == 1.0


@pytest.mark.parametrize(("level", "largest"), [(1, 20), (1, 200), (2, 20), (5, 200)])
def test_a_level_is_not_learnt_by_heart(level: int, largest: int) -> None:
    task = WordProblems(levels=[level], largest=largest)
    assert len(task.different(500, "held_out")) == 500


@pytest.mark.parametrize(
    ("response", "right"),
    [
        (r"\boxed{7}", 1.0),
        (r"\boxed{ 07 }", 1.0),
        (r"\boxed{8}, no: \boxed{7}.", 1.0),
        (r"\boxed{7}, no: \boxed{8}.", 0.0),
        (r"<think>\boxed{7}</think> It is 7.", 0.0),
        (r"\boxed{7.0}", 0.0),
        (r"\boxed{-7}", 0.0),
        ("7", 0.0),
        ("", 0.0),
        (r"\boxed{" + "7" * 10_000 + "}", 0.0),
    ],
)
def test_the_last_box_decides(response: str, right: float) -> None:
    problem = Problem(id="", prompt=({"role": "user", "content": "?"},), answer="7")
    assert WordProblems().check(problem, response) == right


def test_small_totals_still_take_every_kind_of_event() -> None:
    task = WordProblems(levels=[1], largest=10)
    signs = {STEP.findall(task.problem(i).meta["steps"][0])[0][1] for i in range(100)}
    assert signs == {*DONE}
    with pytest.raises(ValueError, match=r"task\.largest=3: must be at least 10"):
        WordProblems(largest=3)


def test_levels_and_pictures_that_there_are_not() -> None:
    with pytest.raises(ValueError, match="word_problems has levels 1 to 5, not 6"):
        WordProblems(levels=[6]).problem(0)
    with pytest.raises(ValueError, match="no picture form"):
        WordProblems(modality="image").problem(0)
