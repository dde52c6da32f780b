"""results.json: the scores of a run, computed from its samples alone, at any time again.

    {"model": ..., "settings": {...}, "scores": [
        {"benchmark", "prompting", "problems", "questions", "samples", "ungraded",
         "metrics": {"accuracy": {"value", "standard_error", "low", "high"},
                     "pass@4": {...}, "maj@4": {...}, "tokens_mean", "tokens_p95",
                     "truncated", "score_per_1k_tokens"},
         "found": {"boxed": 480, "stated": 12, "none": 8},
         "groups": {"task": {"geometry": {"accuracy": {...}, "problems": 12}}}}]}

Shares are between 0 and 1; null is a number that cannot be had: the interval of one problem.
Intervals go by the `questions`, the different ones: problems that ask the same are one draw.
`samples` is per problem, `ungraded` the number of responses whose grader broke, `found` that of
responses whose answer was found by each rule of extraction, the most frequent first.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torchmetrics import Metric

from k15.evaluation.benchmark import Benchmark
from k15.evaluation.metrics import AverageAtN, MajorityAtK, PassAtK, TokenUse
from k15.evaluation.problems_file import Row
from k15.evaluation.samples import Key, Response, Sample
from k15.evaluation.votes import ballots
from k15.journal import read

NAME = "results.json"
Results = dict[str, Any]
HERE = {"sync_on_compute": False}  # the samples of all ranks have been read from their files


def results(
    samples: Iterable[Sample],
    problems: Iterable[Row],
    benchmarks: Mapping[str, Benchmark],
    *,
    model: str,
    settings: Mapping[str, Any],
    ungraded: Iterable[Key] = (),
) -> Results:
    """Score each benchmark under each way of prompting.

    Args:
        samples: of all benchmarks, in any order.
        problems: rows of problems.jsonl.
        benchmarks: by name; say how answers vote and which pass@k and maj@k are wanted.
        model: name or path, for the reader.
        settings: whatever tells this run from others, as JSON takes it.
        ungraded: keys of responses without a verdict (`ungraded_responses`).

    Raises ValueError for a sample whose benchmark or problem is not known.
    """
    rows = {(row["benchmark"], row["id"]): row for row in problems}
    parts: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        check(sample, rows, benchmarks)
        parts[sample.benchmark, sample.prompting].append(sample)
    broken = Counter((benchmark, prompting) for benchmark, prompting, *_ in ungraded)
    order = list(benchmarks)
    shown = [part for part in {**parts, **broken} if part[0] in benchmarks]
    scores = [
        score(part, parts.get(part, []), rows, benchmarks[part[0]], ungraded=broken[part])
        for part in sorted(shown, key=lambda part: order.index(part[0]))
    ]
    return {"model": model, "settings": dict(settings), "scores": scores}


def check(
    sample: Sample, rows: Mapping[tuple[str, str], Row], benchmarks: Mapping[str, Benchmark]
) -> None:
    """Raise ValueError for a sample of something unknown."""
    if sample.benchmark not in benchmarks:
        raise ValueError(
            f"sample of benchmark {sample.benchmark!r}, but this evaluation has "
            f"{', '.join(benchmarks)}; take another run folder or add the benchmark"
        )
    if (sample.benchmark, sample.id) not in rows:
        raise ValueError(
            f"sample of problem {sample.id!r} of {sample.benchmark}, which problems.jsonl does not "
            "have; the run folder is of another benchmark version: take a new one"
        )


def score(
    part: tuple[str, str],
    samples: Sequence[Sample],
    rows: Mapping[tuple[str, str], Row],
    benchmark: Benchmark,
    *,
    ungraded: int,
) -> dict[str, Any]:
    """The entry of one benchmark under one way of prompting; no metrics without a sample."""
    own = {sample.id: rows[sample.benchmark, sample.id] for sample in samples}
    return {
        "benchmark": part[0],
        "prompting": part[1],
        "problems": len(own),
        "questions": len({asked(row) for row in own.values()}),
        "samples": max((sample.index for sample in samples), default=-1) + 1,
        "ungraded": ungraded,
        "metrics": metrics(samples, own, benchmark) if samples else {},
        "found": dict(Counter(sample.found for sample in samples if sample.found).most_common()),
        "groups": group_scores(samples, own),
    }


def asked(row: Row) -> tuple[str, ...]:
    """What a problem asks: its words, however they are spaced, and its pictures by their pixels."""
    return " ".join(row["question"].split()), *row["images"]


def questions(samples: Sequence[Sample], rows: Mapping[str, Row]) -> torch.Tensor:
    """[P] the number of the question that each problem of `verdicts` asks."""
    numbers: dict[tuple[str, ...], int] = {}
    ids = sorted({sample.id for sample in samples})
    return torch.tensor([numbers.setdefault(asked(rows[id]), len(numbers)) for id in ids])


def metrics(
    samples: Sequence[Sample], rows: Mapping[str, Row], benchmark: Benchmark
) -> dict[str, Any]:
    """All figures of the samples by name."""
    problem, correct = verdicts(samples)
    how: dict[str, Any] = {"questions": questions(samples, rows), **HERE}
    tokens = torch.tensor([sample.tokens for sample in samples])
    truncated = torch.tensor([sample.finish == "length" for sample in samples])
    return {
        "accuracy": plain(AverageAtN(**how), problem, correct),
        **{f"pass@{k}": plain(PassAtK(k, **how), problem, correct) for k in benchmark.pass_at},
        **majorities(samples, rows, benchmark),
        **plain(TokenUse(**HERE), tokens, truncated, correct),
    }


def plain(metric: Metric, *columns: torch.Tensor) -> dict[str, float | None]:
    """What a metric says of the columns it takes, as JSON has it."""
    metric.update(*columns)
    return finite(metric.compute())


def finite(figures: Mapping[str, torch.Tensor]) -> dict[str, float | None]:
    """The figures as floats, None for what is not a number."""
    values = {name: float(value) for name, value in figures.items()}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def verdicts(samples: Sequence[Sample]) -> tuple[torch.Tensor, torch.Tensor]:
    """Problem numbers, in the order of the ids, and verdicts; both [N]."""
    numbers = {id: number for number, id in enumerate(sorted({sample.id for sample in samples}))}
    problem = torch.tensor([numbers[sample.id] for sample in samples])
    return problem, torch.tensor([sample.correct for sample in samples])


def majorities(
    samples: Sequence[Sample], rows: Mapping[str, Row], benchmark: Benchmark
) -> dict[str, Any]:
    """maj@k for each k that is wanted."""
    if not benchmark.majority_at:
        return {}
    columns = *verdicts(samples), torch.tensor(ballots(samples, benchmark))
    how: dict[str, Any] = {"questions": questions(samples, rows), **HERE}
    return {f"maj@{k}": plain(MajorityAtK(k, **how), *columns) for k in benchmark.majority_at}


def group_scores(samples: Sequence[Sample], rows: Mapping[str, Row]) -> dict[str, Any]:
    """Accuracy by key and value of the problems' groups."""
    members: dict[tuple[str, str], list[Sample]] = defaultdict(list)
    for sample in samples:
        for key, value in rows[sample.id]["groups"].items():
            for single in value if isinstance(value, list) else [value]:
                members[key, single].append(sample)
    found: dict[str, Any] = defaultdict(dict)
    for (key, single), own in sorted(members.items()):
        problems = len({sample.id for sample in own})
        found[key][single] = {
            "accuracy": plain(AverageAtN(questions(own, rows), **HERE), *verdicts(own)),
            "problems": problems,
        }
    return dict(found)


def graded_samples(run_dir: Path) -> list[Sample]:
    """The samples of a run folder, of all ranks that wrote there."""
    files = sorted(run_dir.glob("samples*.jsonl"))
    return list({line.key: line for file in files for line in read(file, Sample)}.values())


def ungraded_responses(run_dir: Path) -> list[Key]:
    """Keys of the responses of a run folder that have no verdict."""
    graded = {sample.key for sample in graded_samples(run_dir)}
    files = sorted(run_dir.glob("responses*.jsonl"))
    keys = dict.fromkeys(line.key for file in files for line in read(file, Response))
    return [key for key in keys if key not in graded]


def write_results(run_dir: Path, found: Results) -> None:
    """Write results.json."""
    text = json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False)
    (run_dir / NAME).write_text(text + "\n", encoding="utf-8")


def read_results(run_dir: Path) -> Results:
    """Read results.json; raises ValueError if the folder has none."""
    path = run_dir / NAME
    if not path.exists():
        raise ValueError(f"{run_dir}: no {NAME}; this is no finished evaluation run")
    return json.loads(path.read_text(encoding="utf-8"))
