"""What all tasks about drawn scenes have in common: words, answers, two forms, enough questions."""

import re
from random import Random

import numpy as np
import pytest

from k15.tasks.charts import Charts
from k15.tasks.counting import Counting
from k15.tasks.falling import FallingBall
from k15.tasks.geometry import Geometry
from k15.tasks.objects import Objects
from k15.tasks.pictured import PicturedTask, plain
from k15.tasks.spatial import SpatialRelations

TASKS = [SpatialRelations, Counting, Geometry, Charts, FallingBall, Objects]
PROBLEMS = 150


@pytest.fixture(params=TASKS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> type[PicturedTask]:
    return request.param


def test_prompts_and_demonstrations_are_made_of_the_words_and_are_right(
    kind: type[PicturedTask],
) -> None:
    task, seen = kind(modality="text", seed=1), kind(seed=1)
    assert len(set(task.words)) == len(task.words)
    longest_first = sorted(task.words, key=len, reverse=True)
    word = re.compile("|".join(map(re.escape, longest_first)))
    levels = set()
    for index in range(PROBLEMS):
        problem, drawn = task.problem(index), seen.problem(index)
        response = task.demonstrate(problem, Random(0))
        for text in (problem.prompt[0]["content"], drawn.prompt[0]["content"][1]["text"], response):
            assert "".join(word.findall(text)) == text
        assert task.check(problem, response) == 1.0
        assert task.check(problem, response.replace("boxed{", "boxed{no")) == 0.0
        levels.add(problem.difficulty)
    assert levels == {1, 2, 3, 4, 5}


def test_a_question_has_the_same_twin_as_text_and_as_picture(kind: type[PicturedTask]) -> None:
    text, picture = kind(modality="text", seed=2), kind(seed=2)
    for index in range(20):
        told, seen = text.problem(index), picture.problem(index)
        assert told.meta["twin"] == seen.meta["twin"] and told.answer == seen.answer
        assert told.domain == "math" and seen.domain == "vision"
        asked = seen.prompt[0]["content"][1]["text"]
        assert told.prompt[0]["content"] == told.meta["caption"] + asked
        (image,) = seen.images
        assert image.size == (14 * kind.columns, 14 * kind.rows)
        assert np.asarray(image).min() < 100


def test_four_hundred_held_out_questions_are_different(kind: type[PicturedTask]) -> None:
    task = kind(modality="text", seed=1)
    asked = {task.problem(n, "held_out").meta["twin"] for n in task.held_out(400)}
    assert len(asked) == 400


def test_no_answer_is_right_most_of_the_time(kind: type[PicturedTask]) -> None:
    """Who cannot see the picture is right in less than half of the cases, at every level."""
    for level in (1, 2, 3, 4, 5):
        task = kind(levels=[level], modality="text", seed=3)
        answers = [task.problem(index).answer for index in range(PROBLEMS)]
        assert max(map(answers.count, answers)) < PROBLEMS / 2


def test_pictures_grow_with_the_scale(kind: type[PicturedTask]) -> None:
    small, large = kind(seed=4).problem(3), kind(seed=4, scale=4).problem(3)
    assert large.images[0].size == tuple(4 * side for side in small.images[0].size)
    assert large.meta["patch_words"] == {} and large.answer == small.answer
    with pytest.raises(ValueError, match=r"task\.scale=0"):
        kind(scale=0)
    with pytest.raises(ValueError, match="has levels 1 to 5, not 6"):
        kind(levels=[6]).problem(0)


@pytest.mark.parametrize(
    "task", [kind(seed=5) for kind in (SpatialRelations, Counting, FallingBall, Objects)]
)
def test_a_word_stands_where_something_is_drawn(task: PicturedTask) -> None:
    for index in range(20):
        problem = task.problem(index)
        pixels = np.asarray(problem.images[0].convert("L"))
        for patch, word in problem.meta["patch_words"].items():
            row, column = divmod(patch, task.columns)
            inside = pixels[14 * row + 2 : 14 * row + 13, 14 * column + 2 : 14 * column + 13]
            assert word in task.words and inside.min() < 200


@pytest.mark.parametrize(
    ("response", "right"),
    [
        (r"\boxed{above left}", 1.0),
        (r"\boxed{ Above  Left }", 1.0),
        (r"\boxed{left}, no: \boxed{above left}", 1.0),
        (r"\boxed{above left}, no: \boxed{left}", 0.0),
        (r"<think>\boxed{above left}</think> So it is.", 0.0),
        ("above left", 0.0),
        ("", 0.0),
    ],
)
def test_the_last_box_decides(response: str, right: float) -> None:
    task = SpatialRelations(levels=[2])
    problems = (task.problem(index) for index in range(200))
    problem = next(one for one in problems if one.answer == "above left")
    assert task.check(problem, response) == right


def test_numbers_are_compared_without_leading_zeros() -> None:
    assert plain(" 07 ") == "7" and plain("0") == "0" and plain("٧") == "٧"
    assert plain("1" * 10_000) == "1" * 10_000
