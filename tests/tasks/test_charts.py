"""Charts: a bar of n steps is 7 n pixels high, and answers are what the chart says."""

import numpy as np

from k15.tasks.charts import Charts
from k15.tasks.drawing import COLOURS


def test_bars_are_as_high_as_they_say() -> None:
    task = Charts(levels=[1])
    for index in range(10):
        problem = task.problem(index)
        chart = problem.meta["parts"]["chart"]
        pixels = np.asarray(problem.images[0])
        for colour, value in chart.items():
            wanted = [int(COLOURS[colour][i : i + 2], 16) for i in (1, 3, 5)]
            rows = (pixels == wanted).all(-1).any(-1).sum()
            assert rows == 7 * value


def test_answers_are_those_of_the_chart() -> None:
    for level in (1, 3, 4, 5):
        task = Charts(levels=[level], modality="text")
        for index in range(50):
            problem = task.problem(index)
            chart, asked = problem.meta["parts"]["chart"], problem.meta["asked"].split()
            named = [word.strip("?") for word in asked if word.strip("?") in chart]
            values = [chart[name] for name in named]
            if level == 5:
                assert chart[problem.answer] == max(chart.values())
                assert sorted(chart.values())[-2] < chart[problem.answer]
            else:
                assert int(str(problem.answer)) == values[0] - sum(values[1:]) >= 0
            if level == 3:
                assert sum(chart.values()) == 8
