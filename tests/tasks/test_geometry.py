"""Geometry: answers from the corners, and a figure of the size that is asked for."""

import re

import numpy as np

from k15.tasks.geometry import Geometry


def test_answers_follow_from_the_corners() -> None:
    for level in (1, 2, 3, 4):
        task = Geometry(levels=[level], modality="text")
        for index in range(50):
            problem = task.problem(index)
            left, top, right, bottom = map(int, re.findall(r"\d+", problem.meta["caption"]))
            width, height = right - left, bottom - top
            expected = [width + height, width * height, 2 * (width + height), width * height / 2]
            assert int(str(problem.answer)) == expected[level - 1]


def test_the_angle_is_the_smaller_one() -> None:
    task = Geometry(levels=[5], modality="text")
    for index in range(50):
        problem = task.problem(index)
        one, other = problem.meta["parts"]["angles"]
        assert np.cos(np.radians(int(str(problem.answer)))) == np.float64(
            np.cos(np.radians(min((one - other) % 360, (other - one) % 360)))
        )
        assert 0 < int(str(problem.answer)) <= 180


def test_a_rectangle_has_the_pixels_of_its_area() -> None:
    """A grid square has 7 x 7 pixels; nothing else is as coloured."""
    task = Geometry(levels=[2])
    for index in range(10):
        problem = task.problem(index)
        pixels = np.asarray(problem.images[0]).astype(int)
        coloured = (pixels.max(-1) - pixels.min(-1) > 50).sum()
        assert coloured == 49 * int(str(problem.answer))
