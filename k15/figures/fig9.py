"""Fig. 9: a curriculum against uniform sampling.

Chains of 2 steps and of 10 to 15. SFT shows three wrong steps in ten, so that a chain of 2 is right
about every other time and one of 12 one time in a hundred at most; what a step takes is the same in
both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from k15.figures.chains import chain, pretrained, taught
from k15.figures.figure import COLORS, Figure, Numbers, Where, draw_curve, draw_estimate
from k15.figures.reading import Estimate, Point, curve, history, mean, measured
from k15.figures.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EASY, HARD = (2,), (10, 11, 12, 13, 14, 15)
ERROR = 0.3
SWITCH = 8
"""The iteration from which on the curriculum asks hard problems alone."""
ITERATIONS = 12
ARMS = {"curriculum": "easy first, then hard", "uniform": "easy and hard alike"}


class Fig9(Figure):
    """Accuracy on the hard levels."""

    name = "fig9"
    report = "a curriculum, easy problems first and hard ones later, ends above uniform sampling"

    def runs(self) -> Sequence[Run]:
        """Both arms start from one model and have as many samples."""
        before, task = pretrained(), chain((*EASY, *HARD))
        how = (
            "stage=rl",
            *task,
            "data.max_response_tokens=48",
            "sizes.problems_per_iteration=32",
            f"trainer.max_epochs={ITERATIONS}",
            "trainer.check_val_every_n_epoch=4",
            "learning_rates.rl=4.0e-4",
            "module.kl_to_start=false",
            "callbacks.balance=null",
        )
        manner = (f"demonstrations.error={ERROR}", "demonstrations.waste=0.0")
        schedule = f"sampler.schedule={{0: {[*EASY]}, {SWITCH}: {[*HARD]}}}"
        asked = chain(HARD)
        start = {"start_from": "fig9-sft"}
        return (
            *before,
            taught("fig9-sft", task, before[-1], *manner),
            Run(
                name="fig9-curriculum",
                words=(*how, "sampler=curriculum", schedule),
                starts=start,
                measured=asked,
            ),
            Run(name="fig9-uniform", words=how, starts=start, measured=asked),
        )

    def numbers(self, where: Where) -> Numbers:
        """Curves over the hard levels, and the last model on questions of these alone."""
        return {
            arm: {
                "curve": curve([history(f) for f in where(f"fig9-{arm}")], on_hard_levels),
                "after": asdict(measured(where(f"fig9-{arm}"))),
            }
            for arm in ARMS
        }

    def ours(self, numbers: Numbers) -> str:
        """Whether the intervals are apart."""
        ours, other = (Estimate(**numbers[arm]["after"]["accuracy"]) for arm in ARMS)
        apart = "above" if ours.above(other) else "below" if other.above(ours) else None
        verdict = f"ends {apart}" if apart else "does not end apart from"
        return (
            f"on hard chains the curriculum {verdict} uniform sampling: {ours.said()} against "
            f"{other.said()} after {ITERATIONS} iterations"
        )

    def draw(self, numbers: Numbers, axes: Sequence[Axes]) -> None:
        """Two lines; the bars are what the last models reach on new questions."""
        (axis,) = axes
        for (arm, label), color in zip(ARMS.items(), COLORS, strict=False):
            draw_curve(axis, numbers[arm]["curve"], label=label, color=color)
            draw_estimate(axis, ITERATIONS + 0.4, numbers[arm]["after"]["accuracy"], color)
        axis.axvline(SWITCH, ls=":", color="gray")
        axis.set(ylabel=f"held-out accuracy, {HARD[0]} to {HARD[-1]} steps", ylim=(0, 1))
        axis.legend()


def on_hard_levels(point: Point) -> float:
    """The mean of their accuracies."""
    return mean(point[f"val/accuracy/level_{level}"] for level in HARD)


FIGURE = Fig9()
