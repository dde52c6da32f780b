"""Counting: the answer is what the scene's words hold."""

import re

from k15.tasks.counting import Counting, count, running

PLACES = {(0, 1): " red circle", (0, 3): " blue circle", (2, 0): " red square"}


def test_kinds_are_colours_shapes_or_both() -> None:
    assert [count(kind, PLACES, 4) for kind in (" red", " circle", " red circle")] == [2, 2, 1]
    assert count(" red", PLACES, 1) == 1 and count(" green", PLACES, 4) == 0
    assert running(" red", PLACES) == " row 1: 1 row 2: 1 row 3: 2 row 4: 2"


def test_answers_are_those_of_the_words() -> None:
    """Of level 1 the words of a colour in the description; of level 5 the difference of two."""
    for level, pattern in ((1, r"there: (\w+)\?"), (5, r"are (\w+) than (\w+)\?")):
        task = Counting(levels=[level], modality="text")
        for index in range(100):
            problem = task.problem(index)
            asked = re.search(pattern, problem.meta["asked"])
            assert asked
            counts = [problem.meta["caption"].split().count(colour) for colour in asked.groups()]
            assert int(str(problem.answer)) == counts[0] - sum(counts[1:]) >= 0
