"""Fig. 7: four ways to make a long model short, by accuracy and tokens.

Chains of 4 to 6 steps. Pretraining shows three idle checks behind every two steps on average, for
so long that they are no longer hard to count over; SFT shows one wrong step in ten with them. RL
makes the answers right, and what it keeps of the checks is its own choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from k15.figures.chains import chain, pretrained, taught
from k15.figures.figure import COLORS, Figure, Numbers, Where
from k15.figures.reading import Estimate, measured
from k15.figures.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEVELS = (4, 5, 6)
WASTE, ERROR = 0.6, 0.1
ITERATIONS, SHORTENING = 24, 12
CHECKS = {"fig7-pretrain": 600_000, "fig7-pretrain-on": 800_000}
"""Tokens of pretraining with idle checks, in two runs."""
LIMIT = 20
"""Most tokens of a response in long2short RL; six steps and the end are 13."""
ALL = {
    "fig7-long": "long",
    "fig7-merge": "merge",
    "fig7-rejection": "shortest rejection",
    "fig7-dpo": "DPO",
    "fig7-rl": "long2short RL",
}
LONG, MERGED, *_, SHORTENED = ALL
KEEPS, AT_MOST = 0.95, 0.7
"""Of the long model's accuracy and of its tokens: what long2short RL is to keep, and to need."""


class Fig7(Figure):
    """Accuracy, mean tokens and right answers per 100 tokens."""

    name = "fig7"
    report = (
        "long2short RL is the most token-efficient, ahead of DPO, shortest rejection sampling and "
        "merging"
    )

    def runs(self) -> Sequence[Run]:
        """All methods start from the model that RL has ended with."""
        before, task = pretrained(), chain(LEVELS)
        long = {"start_from": LONG}
        rl = (
            "sizes.problems_per_iteration=32",
            "trainer.check_val_every_n_epoch=6",
            "module.kl_to_start=false",
            "learning_rates.rl=4.0e-4",
            "callbacks.balance=null",
        )
        bases = list(before)
        for name, tokens in CHECKS.items():
            more = (f"demonstrations.waste={WASTE}", f"datamodule.tokens={tokens}")
            words, start = ("stage=pretrain", *task, *more), {"start_from": bases[-1].name}
            bases.append(Run(name=name, words=words, starts=start, seed=0))
        brief = ("demonstrations.error=0.0", "datamodule.tokens=50000", "learning_rates.sft=5.0e-4")
        leash = (
            f"datamodule.plan.max_response_tokens={LIMIT}",
            f"trainer.max_epochs={SHORTENING}",
            "learning_rates.long2short_rl=4.0e-4",
        )
        flawed = (f"demonstrations.waste={WASTE}", f"demonstrations.error={ERROR}")
        return (
            *bases,
            taught("fig7-short", task, bases[-1], *brief),
            taught("fig7-sft", task, bases[-1], *flawed),
            Run(
                name=LONG,
                words=("stage=rl", *task, *rl, f"trainer.max_epochs={ITERATIONS}"),
                starts={"start_from": "fig7-sft"},
                measured=chain(LEVELS),
            ),
            Run(
                name=MERGED,
                words=("stage=long2short_merge", *task),
                starts={**long, "average_with": "fig7-short"},
                measured=chain(LEVELS),
            ),
            Run(
                name="fig7-rejection",
                words=("stage=long2short_rejection", *task),
                starts=long,
                measured=chain(LEVELS),
            ),
            Run(
                name="fig7-dpo",
                words=(
                    "stage=long2short_dpo",
                    *task,
                    "datamodule.pairs_per_problem=2",
                    "learning_rates.long2short_dpo=1.0e-4",
                ),
                starts=long,
                measured=chain(LEVELS),
            ),
            Run(
                name=SHORTENED,
                words=("stage=long2short_rl", *task, *rl, *leash),
                starts=long,
                measured=chain(LEVELS),
            ),
        )

    def numbers(self, where: Where) -> Numbers:
        """All models on the same questions."""
        return {run: asdict(measured(where(run))) for run in ALL}

    def ours(self, numbers: Numbers) -> str:
        """Who needs the fewest tokens per right answer, and what long2short RL keeps."""
        per_100 = {run: Estimate(**numbers[run]["efficiency"]) for run in ALL if run != LONG}
        first, second, *_ = sorted(per_100, key=lambda run: -per_100[run].value)
        apart = "" if per_100[first].above(per_100[second]) else "; their intervals overlap"
        kept, needed = (
            numbers[SHORTENED][name]["value"] / numbers[LONG][name]["value"]
            for name in ("accuracy", "tokens")
        )
        reached = kept >= KEEPS and needed <= AT_MOST
        aim = f"at least {KEEPS:.0%} at {AT_MOST:.0%} or less {'is' if reached else 'is not'} met"
        return (
            f"{ALL[first]} is the most token-efficient, before {ALL[second]} "
            f"({per_100[first].value:.2f} and {per_100[second].value:.2f} right answers per 100 "
            f"tokens{apart}); long2short RL keeps {kept:.0%} of the long accuracy at {needed:.0%} "
            f"of the tokens ({aim})"
        )

    def table(self, numbers: Numbers) -> str:
        """As the page shows it."""
        rows = ["| | accuracy | mean tokens | right answers per 100 tokens |", "|---|---|---|---|"]
        for run, label in ALL.items():
            accuracy, tokens, per_100 = (
                Estimate(**numbers[run][name]) for name in ("accuracy", "tokens", "efficiency")
            )
            rows.append(f"| {label} | {accuracy.said(3)} | {tokens.said(1)} | {per_100.said()} |")
        return "\n".join(rows)

    def draw(self, numbers: Numbers, axes: Sequence[Axes]) -> None:
        """A cross of intervals per method, small points for the seeds."""
        (axis,) = axes
        for (run, label), color in zip(ALL.items(), COLORS, strict=False):
            accuracy, tokens = numbers[run]["accuracy"], numbers[run]["tokens"]
            errors = [
                [[each["value"] - each["low"]], [each["high"] - each["value"]]]
                for each in (tokens, accuracy)
            ]
            place = [tokens["value"]], [accuracy["value"]]
            axis.errorbar(
                *place, xerr=errors[0], yerr=errors[1], fmt="o", color=color, capsize=3, label=label
            )
            seeds = numbers[run]["seeds"]
            axis.scatter([t for _, t in seeds], [a for a, _ in seeds], s=9, color=color, alpha=0.5)
        axis.set(xlabel="mean response length, tokens", ylabel="held-out accuracy")
        axis.set(xlim=(0, None), ylim=(0, 1))
        axis.legend(fontsize=8)


FIGURE = Fig7()
