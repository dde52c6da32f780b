"""What a figure is: runs, what they show, and how it is drawn."""

from __future__ import annotations

import json
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k15.figures.runs import Folders, Run
from k15.folders import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#2a6f97", "#d1495b", "#66a182", "#edae49", "#7d5ba6", "#8d99ae")
Numbers = dict[str, Any]
"""What was measured, as JSON takes it."""
Where = Callable[[str], Sequence[Path]]
"""The folders of a run by its name, one for each seed."""


class Figure(ABC):
    """A figure of the report in miniature."""

    name: str
    report: str
    """The report's finding, in one line."""
    panels: int = 1

    @abstractmethod
    def runs(self) -> Sequence[Run]:
        """What has to be run for each seed, in order."""

    @abstractmethod
    def numbers(self, where: Where) -> Numbers:
        """What the run folders say."""

    @abstractmethod
    def ours(self, numbers: Numbers) -> str:
        """Our finding, in one line; says so where it is another one."""

    @abstractmethod
    def draw(self, numbers: Numbers, axes: Sequence[Axes]) -> None:
        """Onto as many axes as there are panels."""

    def table(self, numbers: Numbers) -> str:
        """For a terminal and a page; empty: there is none."""
        return ""

    def write(self, folders: Folders, seeds: Sequence[int]) -> str:
        """Write `<outputs>/figures/<name>.{png,json}` from the run folders; returns them."""
        found = self.numbers(lambda run: [folders(run, seed) for seed in seeds])
        ours = self.ours(found)
        place = folders.outputs / "figures" / self.name
        content = {"report": self.report, "ours": ours, "seeds": [*seeds], **found}
        write_text(place.with_suffix(".json"), json.dumps(content, indent=1) + "\n")
        self.save(found, ours, place.with_suffix(".png"))
        lines = [self.table(found), f"report: {self.report}", f"here:   {ours}"]
        return "\n".join(line for line in [*lines, f"in {place}.png and .json"] if line)

    def save(self, numbers: Numbers, ours: str, file: Path) -> None:
        """Draw the panels under the two findings."""
        from matplotlib.figure import Figure as Canvas

        width = 5.2 * self.panels + 1.4
        canvas = Canvas(figsize=(width, 4.4), layout="constrained")
        lines = [f"Report: {self.report}", f"Here: {ours}"]
        said = "\n".join(textwrap.fill(line, int(width * 15)) for line in lines)
        canvas.suptitle(said, fontsize=8.5, x=0.02, ha="left")
        axes = canvas.subplots(1, self.panels, squeeze=False)[0]
        self.draw(numbers, [*axes])
        for axis in axes:
            axis.grid(alpha=0.3)
        canvas.savefig(file, dpi=130)


def draw_curve(
    axis: Axes, curve: Mapping[str, Sequence[float]], *, label: str, color: str, dash: str = "-"
) -> None:
    """A line over the iterations, with its interval as a band where it has one."""
    axis.plot(curve["iteration"], curve["mean"], dash, marker="o", ms=3.5, color=color, label=label)
    if "low" in curve:
        axis.fill_between(curve["iteration"], curve["low"], curve["high"], color=color, alpha=0.18)
    axis.set(xlabel="iteration")
    axis.locator_params(axis="x", integer=True)


def draw_estimate(axis: Axes, x: float, estimate: Mapping[str, float], color: str) -> None:
    """A value with its interval as a bar."""
    value = estimate["value"]
    around = [[value - estimate["low"]], [estimate["high"] - value]]
    axis.errorbar([x], [value], yerr=around, fmt="o", color=color, capsize=3, ms=4)
