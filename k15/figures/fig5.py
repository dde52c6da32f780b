"""Fig. 5: accuracy and response length over the iterations of RL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from k15.figures.figure import COLORS, Figure, Numbers, Where, draw_curve
from k15.figures.reading import TOKENS, curve, history
from k15.figures.runs import Run
from k15.figures.searches import searching

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Fig5(Figure):
    """Two panels of the same runs."""

    name = "fig5"
    report = "in RL accuracy and response length rise together"
    panels = 2

    def runs(self) -> Sequence[Run]:
        """The default: `python train.py stage=rl`."""
        return searching("large")

    def numbers(self, where: Where) -> Numbers:
        """Both curves, and each seed's first and last validation."""
        seeds = [history(folder) for folder in where("make24-rl-large")]
        ends = [[points[0], points[-1]] for points in seeds]
        return {
            "accuracy": curve(seeds),
            "tokens": curve(seeds, TOKENS),
            "ends": [[[p["val/accuracy"], p[TOKENS]] for p in points] for points in ends],
        }

    def ours(self, numbers: Numbers) -> str:
        """What every seed does."""
        both = sum(last[0] > first[0] and last[1] > first[1] for first, last in numbers["ends"])
        accuracy, tokens = (numbers[name]["mean"] for name in ("accuracy", "tokens"))
        return (
            f"both rise in {both} of {len(numbers['ends'])} seeds: accuracy from {accuracy[0]:.2f} "
            f"to {accuracy[-1]:.2f}, length from {tokens[0]:.0f} to {tokens[-1]:.0f} tokens"
        )

    def draw(self, numbers: Numbers, axes: Sequence[Axes]) -> None:
        """Means over the seeds."""
        labels = ("held-out accuracy", "mean response length, tokens")
        for axis, name, label in zip(axes, ("accuracy", "tokens"), labels, strict=True):
            draw_curve(axis, numbers[name], label=label, color=COLORS[0])
            axis.set(ylabel=label)
            axis.set_ylim(bottom=0)


FIGURE = Fig5()
