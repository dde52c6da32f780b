"""Fig. 8: a larger model against a smaller one that thinks longer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from k15.figures.figure import COLORS, Figure, Numbers, Where
from k15.figures.reading import TOKENS, curve, history
from k15.figures.runs import Run
from k15.figures.searches import SIZES, searching

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Fig8(Figure):
    """Accuracy against mean length, over the iterations of both."""

    name = "fig8"
    report = (
        "a smaller model comes close to a larger one by thinking longer; the larger one needs "
        "fewer tokens for the same accuracy"
    )

    def runs(self) -> Sequence[Run]:
        """The default model and one of two fifths of its weights, each from its own pretraining."""
        return (*searching("large"), *searching("small"))

    def numbers(self, where: Where) -> Numbers:
        """Accuracy and length over the iterations."""
        found: Numbers = {}
        for size in SIZES:
            seeds = [history(folder) for folder in where(f"make24-rl-{size}")]
            found[size] = {"accuracy": curve(seeds), "tokens": curve(seeds, TOKENS)}
        return found

    def ours(self, numbers: Numbers) -> str:
        """Where both end."""
        ends = {
            size: (numbers[size]["accuracy"]["mean"][-1], numbers[size]["tokens"]["mean"][-1])
            for size in SIZES
        }
        (accuracy, tokens), (more, fewer) = ends["small"], ends["large"]
        as_said = accuracy < more and fewer < tokens
        return (
            f"{'as reported' if as_said else 'not reproduced'}: the small model ends at "
            f"{accuracy:.2f} with {tokens:.0f} tokens, the large one at {more:.2f} with "
            f"{fewer:.0f}"
        )

    def draw(self, numbers: Numbers, axes: Sequence[Axes]) -> None:
        """A path per model."""
        (axis,) = axes
        for (size, width), color in zip(SIZES.items(), COLORS, strict=False):
            accuracy, tokens = numbers[size]["accuracy"], numbers[size]["tokens"]["mean"]
            axis.plot(tokens, accuracy["mean"], "o-", color=color, label=f"{size}: width {width}")
            axis.fill_between(tokens, accuracy["low"], accuracy["high"], color=color, alpha=0.15)
        axis.set(xlabel="mean response length, tokens", ylabel="held-out accuracy", ylim=(0, 1))
        axis.legend()


FIGURE = Fig8()
