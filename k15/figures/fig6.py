"""Fig. 6: accuracy against response length, over the iterations of RL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from k15.figures.figure import COLORS, Figure, Numbers, Where
from k15.figures.reading import ACCURACY, ERROR, TOKENS, WIDTH, history
from k15.figures.runs import Run
from k15.figures.searches import searching

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Fig6(Figure):
    """A point per validation."""

    name = "fig6"
    report = "over training, response length and accuracy correlate"

    def runs(self) -> Sequence[Run]:
        """Those of Fig. 5."""
        return searching("large")

    def numbers(self, where: Where) -> Numbers:
        """Each seed's validations: tokens, accuracy, and its standard error over the questions."""
        seeds = [history(folder) for folder in where("make24-rl-large")]
        of = (TOKENS, ACCURACY, ERROR)
        return {"runs": [[[point[name] for name in of] for point in points] for points in seeds]}

    def ours(self, numbers: Numbers) -> str:
        """The correlation within each seed."""
        found = [np.corrcoef(np.array(points).T[:2])[0, 1] for points in numbers["runs"]]
        return "the correlation within a run is " + ", ".join(f"{r:.2f}" for r in found)

    def draw(self, numbers: Numbers, axes: Sequence[Axes]) -> None:
        """A color per seed."""
        (axis,) = axes
        for number, (points, color) in enumerate(zip(numbers["runs"], COLORS, strict=False), 1):
            tokens, accuracy, error = np.array(points).T
            axis.errorbar(
                tokens,
                accuracy,
                WIDTH * error,
                fmt="o-",
                color=color,
                lw=0.8,
                label=f"seed {number}",
            )
        axis.set(xlabel="mean response length, tokens", ylabel="held-out accuracy")
        axis.legend()


FIGURE = Fig6()
