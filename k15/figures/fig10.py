"""Fig. 10: mirror descent against ReST, which learns from right answers alone.

Chains of 8 to 10 steps in free order: 8! answers and more are right. One step in fifty is wrong, so
that most samples are right, each of them in another order. What was expected: fitting to these
follows the luck of the order, while with the mean reward taken off the few wrong ones say what to
avoid. Both go through an iteration's samples once, and three times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from k15.figures.chains import chain, pretrained, taught
from k15.figures.figure import COLORS, Figure, Numbers, Where, draw_curve, draw_estimate
from k15.figures.reading import Estimate, curve, history, measured
from k15.figures.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEVELS = (8, 9, 10)
ERROR = 0.02
ITERATIONS = 16
ARMS = {
    "fig10-mirror": ("mirror descent, three epochs", ("module.passes=3",)),
    "fig10-mirror-once": ("mirror descent, one epoch", ()),
    "fig10-rest": ("ReST, three epochs", ("experiment=rest",)),
    "fig10-rest-once": ("ReST, one epoch", ("objective=rest",)),
}
PAIRS = {
    "three epochs": ("fig10-mirror", "fig10-rest"),
    "one epoch": ("fig10-mirror-once", "fig10-rest-once"),
}
"""What is compared: as many steps on as many samples."""


class Fig10(Figure):
    """Accuracy over the iterations, which have as many samples in all arms."""

    name = "fig10"
    report = (
        "mirror descent, which uses negative gradients, is clearly more sample-efficient than ReST"
    )

    def runs(self) -> Sequence[Run]:
        """All arms start from one model."""
        before, task = pretrained(free_order=True), chain(LEVELS, free_order=True)
        how = (
            *task,
            "data.max_response_tokens=32",
            "sizes.problems_per_iteration=32",
            f"trainer.max_epochs={ITERATIONS}",
            "trainer.check_val_every_n_epoch=2",
            "module.kl_to_start=false",
            "callbacks.balance=null",
        )
        arms = (
            Run(
                name=name,
                words=("stage=rl", *more, *how),
                starts={"start_from": "fig10-sft"},
                measured=task,
            )
            for name, (_, more) in ARMS.items()
        )
        return (
            *before,
            taught("fig10-sft", task, before[-1], f"demonstrations.error={ERROR}"),
            *arms,
        )

    def numbers(self, where: Where) -> Numbers:
        """Curves, and the last models."""
        return {
            arm: {
                "curve": curve([history(folder) for folder in where(arm)]),
                "after": asdict(measured(where(arm))),
            }
            for arm in ARMS
        }

    def ours(self, numbers: Numbers) -> str:
        """Whether the intervals are apart, with as many steps."""
        said = (
            f"{epochs}: {compared(*(numbers[arm]['after']['accuracy'] for arm in pair))}"
            for epochs, pair in PAIRS.items()
        )
        return f"after {ITERATIONS} iterations, {'; '.join(said)}"

    def draw(self, numbers: Numbers, axes: Sequence[Axes]) -> None:
        """Lines; the bars are what the last models reach when they are measured."""
        (axis,) = axes
        for (arm, (label, _)), color in zip(ARMS.items(), COLORS, strict=False):
            draw_curve(axis, numbers[arm]["curve"], label=label, color=color)
            draw_estimate(axis, ITERATIONS + 0.4, numbers[arm]["after"]["accuracy"], color)
        axis.set(ylabel="held-out accuracy")
        axis.legend()


def compared(mirror: Mapping[str, float], rest: Mapping[str, float]) -> str:
    """Two estimates, and whether their intervals are apart."""
    ours, theirs = Estimate(**mirror), Estimate(**rest)
    how = "above" if ours.above(theirs) else "below" if theirs.above(ours) else "level with"
    return f"mirror descent {ours.said(3)} {how} ReST {theirs.said(3)}"


FIGURE = Fig10()
