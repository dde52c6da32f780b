"""Runs side by side: the same problems, the difference, and whether it may be chance.

Each run is held against the first one, benchmark by benchmark, on the problems that both answered.
The p-values are not corrected for the number of comparisons.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from k15.evaluation.page import render
from k15.evaluation.report import Run, page_data, read_run
from k15.evaluation.results import finite, questions
from k15.evaluation.samples import Sample
from k15.intervals import estimate, paired_p_value

ByProblem = dict[str, list[Sample]]


def write_comparison(run_dirs: Sequence[Path], out_dir: Path) -> dict[str, Any]:
    """Write comparison.json and compare.html; returns what `compare` found."""
    runs = read_runs(run_dirs)
    found = compare(runs)
    out_dir.mkdir(parents=True, exist_ok=True)
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    (out_dir / "comparison.json").write_text(text + "\n", encoding="utf-8")
    title = " and ".join(run.name for run in runs)
    page = render(f"{title}: comparison", page_data(runs, found))
    (out_dir / "compare.html").write_text(page, encoding="utf-8", errors="backslashreplace")
    return found


def read_runs(run_dirs: Sequence[Path]) -> list[Run]:
    """Read run folders, named by their paths where two have one name.

    Raises ValueError for fewer than two, or one of them twice.
    """
    paths = [Path(path).resolve() for path in run_dirs]
    if len(set(paths)) < max(2, len(paths)):
        raise ValueError(f"compare={[str(path) for path in run_dirs]}: name two runs or more")
    runs = [read_run(path) for path in paths]
    if len({run.name for run in runs}) < len(runs):
        runs = [replace(run, name=str(path)) for run, path in zip(runs, run_dirs, strict=True)]
    return runs


def compare(runs: Sequence[Run]) -> dict[str, Any]:
    """Every later run against the first.

    Returns {"runs": names, "pairs": [{"benchmark", "prompting": [first, other], "runs": [first,
    other], "problems", "accuracy": [.., ..], "tokens_mean": [.., ..], "difference": {"value",
    "standard_error", "low", "high"}, "better", "worse", "p_value"}]}; the difference is other minus
    first, better and worse count problems.

    Raises ValueError for runs without common problems, or with different problems of one id.
    """
    first, *others = runs
    pairs = [pair for other in others for pair in compare_two(first, other)]
    return {"runs": [run.name for run in runs], "pairs": pairs}


def compare_two(first: Run, other: Run) -> list[dict[str, Any]]:
    """All pairs of two runs that have problems in common."""
    check_problems(first, other)
    found = []
    ours, theirs = parts(first), parts(other)
    for benchmark, promptings in common_parts(ours, theirs):
        mine, yours = (
            side[benchmark, name] for side, name in zip((ours, theirs), promptings, strict=True)
        )
        if ids := sorted(mine.keys() & yours.keys()):
            pair = {
                "benchmark": benchmark,
                "prompting": list(promptings),
                "runs": [first.name, other.name],
            }
            rows = {row["id"]: row for row in first.problems if row["benchmark"] == benchmark}
            sides = [mine[id] for id in ids], [yours[id] for id in ids]
            found.append(pair | paired(*sides, questions([side[0] for side in sides[0]], rows)))
    if not found:
        raise ValueError(
            f"compare: {first.name} ({describe(ours)}) and {other.name} ({describe(theirs)}) have "
            "no problem in common that was asked the same way; compare runs of one benchmark"
        )
    return found


def check_problems(first: Run, other: Run) -> None:
    """Raise ValueError if one id means two problems."""
    known = {(row["benchmark"], row["id"]): row for row in first.problems}
    for row in other.problems:
        mine = known.get((row["benchmark"], row["id"]), row)
        for field in ("question", "answer", "images"):
            if mine[field] != row[field]:
                raise ValueError(
                    f"compare: problem {row['id']!r} of {row['benchmark']} has another {field} in "
                    f"{other.name} than in {first.name}; evaluate both on one version"
                )


def parts(run: Run) -> dict[tuple[str, str], ByProblem]:
    """Samples by benchmark and prompting, then by problem."""
    found: dict[tuple[str, str], ByProblem] = defaultdict(lambda: defaultdict(list))
    for sample in run.samples:
        found[sample.benchmark, sample.prompting][sample.id].append(sample)
    return found


def common_parts(
    ours: dict[tuple[str, str], ByProblem], theirs: dict[tuple[str, str], ByProblem]
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Benchmarks with the prompting of either side.

    Those asked the same way in both runs; a benchmark that each run asked in one way of its own is
    held against itself across the two ways.
    """
    for benchmark in dict.fromkeys(name for name, _ in ours):
        mine = [prompting for name, prompting in ours if name == benchmark]
        yours = [prompting for name, prompting in theirs if name == benchmark]
        if both := [prompting for prompting in mine if prompting in yours]:
            yield from ((benchmark, (prompting, prompting)) for prompting in both)
        elif len(mine) == len(yours) == 1:
            yield benchmark, (mine[0], yours[0])


def paired(
    first: Sequence[Sequence[Sample]], other: Sequence[Sequence[Sample]], question_P: torch.Tensor
) -> dict[str, Any]:
    """Figures of the samples of the same problems, [P] lists each, in the order of their ids."""
    accuracy = [shares(side, "correct") for side in (first, other)]
    difference = accuracy[1] - accuracy[0]
    return {
        "problems": len(difference),
        "accuracy": [float(side.mean()) for side in accuracy],
        "tokens_mean": [float(shares(side, "tokens").mean()) for side in (first, other)],
        "difference": finite(estimate(difference, question_P)),
        "better": int((difference > 0).sum()),
        "worse": int((difference < 0).sum()),
        "p_value": paired_p_value(difference, question_P),
    }


def shares(side: Sequence[Sequence[Sample]], field: str) -> torch.Tensor:
    """[P] a field's mean over the samples of each problem."""
    means = [sum(getattr(sample, field) for sample in own) / len(own) for own in side]
    return torch.tensor(means, dtype=torch.double)


def describe(found: dict[tuple[str, str], ByProblem]) -> str:
    """Benchmarks and promptings of a run, for an error."""
    return ", ".join(f"{benchmark} {prompting}" for benchmark, prompting in found) or "no samples"
