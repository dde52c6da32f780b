"""Objects: the answer is what the scene's words hold."""

import re
from random import Random

import pytest

from k15.tasks.objects import Objects, alike, attribute, beside, only

FULL = {0: " red circle", 1: " blue square", 2: " red triangle", 3: " green square"}
"""red circle   blue square
red triangle green square"""


def answers(asked, places: dict[int, str]) -> dict[str, str]:
    """All that may be asked, and what is right."""
    found = (asked(Random(number), places) for number in range(200))
    return dict(one for one in found if one)


def test_of_one_thing_all_is_asked() -> None:
    assert answers(only, {2: " red circle"}) == {
        " What colour is the thing": "red",
        " What shape is the thing": "circle",
        " Where is the thing": "bottom left",
    }


def test_what_lies_beside_what() -> None:
    assert answers(beside, FULL) == {
        " What lies left of the blue square": "red circle",
        " What lies right of the red circle": "blue square",
        " What lies left of the green square": "red triangle",
        " What lies right of the red triangle": "green square",
        " What lies above the red triangle": "red circle",
        " What lies below the red circle": "red triangle",
        " What lies above the green square": "blue square",
        " What lies below the blue square": "green square",
    }


def test_what_is_alike_is_one_thing() -> None:
    """Nothing else is blue, nothing else a circle."""
    assert answers(alike, FULL) == {
        " What has the same colour as the red circle": "red triangle",
        " What has the same colour as the red triangle": "red circle",
        " What has the same shape as the blue square": "green square",
        " What has the same shape as the green square": "blue square",
    }


def test_an_attribute_names_one_thing() -> None:
    assert answers(attribute, {0: " red circle", 3: " blue square"}) == {
        " What colour is the circle": "red",
        " What colour is the square": "blue",
        " What shape is the red thing": "circle",
        " What shape is the blue thing": "square",
    }
    assert answers(attribute, {0: " red circle", 1: " red square"}) == {}
    assert answers(attribute, {0: " red circle", 1: " blue circle"}) == {}


@pytest.mark.parametrize(("level", "things"), [(1, {1}), (2, {2, 3}), (3, {4}), (4, {4}), (5, {4})])
def test_the_words_tell_the_corners(level: int, things: set[int]) -> None:
    """In each of them what is painted there."""
    task = Objects(levels=[level], modality="text")
    for index in range(50):
        problem = task.problem(index)
        told = re.findall(r" (\w+ \w+): (\w+ \w+)\.", problem.meta["caption"])
        corners = ["top left", "top right", "bottom left", "bottom right"]
        placed = {corners.index(corner): f" {thing}" for corner, thing in told}
        assert placed == problem.meta["parts"]["places"] and len(placed) in things
        if level == 3:
            asked = re.search(r"lies (\w+ \w+)\?", problem.meta["asked"])
            assert asked and dict(told)[asked[1]] == problem.answer
