"""What became of the problems: a report as JSON, a table, and the difficulty as a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from k15.problems.curation.measuring import Measured
from k15.problems.curation.rules import Removal
from k15.problems.curation.tags import Tagger
from k15.types import Problem

BINS = 10  # of pass rates: [0, 0.1), ..., [0.9, 1]


def report(
    problems: Sequence[Problem],
    kept: Sequence[Problem],
    removals: Mapping[str, Removal],
    measured: Mapping[str, Measured],
    tags: Tagger,
) -> dict[str, Any]:
    """How many of which tags and pass rates there were and are left, and every removal."""
    asked = [line for line in measured.values() if not line.refused]
    stayed = {problem.id for problem in kept}
    return {
        "problems": len(problems),
        "kept": len(kept),
        "removed": dict(Counter(removal.reason for removal in removals.values()).most_common()),
        "pass_rates": {
            "before": histogram([line.pass_rate for line in asked]),
            "after": histogram([line.pass_rate for line in asked if line.id in stayed]),
        },
        "domains": counted(problems, kept, lambda one: tags(one).domain),
        "disciplines": counted(problems, kept, lambda one: tags(one).discipline),
        "removals": [{"id": id, **asdict(removal)} for id, removal in removals.items()],
    }


def histogram(rates: Sequence[float]) -> list[int]:
    """[10] how many pass rates are in each tenth; 1 is in the last one."""
    counts = Counter(min(int(rate * BINS + 1e-9), BINS - 1) for rate in rates)
    return [counts[place] for place in range(BINS)]


def counted(problems: Sequence[Problem], kept: Sequence[Problem], tag: Any) -> dict[str, Any]:
    """Of each tag how many there were before, and how many are left."""
    before, after = Counter(map(tag, problems)), Counter(map(tag, kept))
    return {name: {"before": n, "after": after[name]} for name, n in before.most_common()}


def table(found: Mapping[str, Any]) -> str:
    """The report for a terminal."""
    lines = [f"{'problems':<28}{found['problems']:>10,}"]
    lines += [f"- {reason:<26}{count:>10,}" for reason, count in found["removed"].items()]
    lines += [f"{'curated':<28}{found['kept']:>10,}", "", f"{'':<28}{'before':>10}{'after':>10}"]
    for group in ("domains", "disciplines"):
        for name, count in found[group].items():
            lines.append(f"{name:<28}{count['before']:>10,}{count['after']:>10,}")
    return "\n".join(lines)


def draw_difficulty(rates: Mapping[str, Sequence[int]], file: Path) -> None:
    """How many problems have which pass rate, of those measured and of those that stay."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axis = figure.subplots()
    places = [(place + 0.5) / BINS for place in range(BINS)]
    axis.bar(places, rates["before"], width=0.09, color="#c9d6df", label="measured")
    axis.bar(places, rates["after"], width=0.09, color="#2a6f97", label="curated")
    axis.set(xlabel="pass rate: hard to easy", ylabel="problems", title="difficulty")
    axis.grid(alpha=0.3, axis="y")
    axis.legend()
    figure.savefig(file, dpi=150)
