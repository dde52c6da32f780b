"""report.html of a run: scores, charts and every sample, in one file that needs no network."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k15.evaluation.formulas import FormulaBook
from k15.evaluation.page import render
from k15.evaluation.problems_file import Row, read_problems
from k15.evaluation.results import Results, graded_samples, read_results
from k15.evaluation.samples import Sample

NAME = "report.html"
LARGEST = 800
"""Pixels of a picture's longer side on the page, as long as there are no more than `MANY`."""
MANY = 1000
"""Pictures beyond which each is smaller, so that all of them have as many pixels as these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run folder."""

    name: str
    folder: Path
    results: Results
    problems: Sequence[Row]
    samples: Sequence[Sample]


def read_run(run_dir: Path) -> Run:
    """Read a run folder: the samples that its results are about, in the order of its problems.

    Raises ValueError if it has no results.json, or samples of problems that problems.jsonl lacks.
    """
    folder = Path(run_dir)
    results, problems = read_results(folder), read_problems(folder)
    order = {(row["benchmark"], row["id"]): number for number, row in enumerate(problems)}
    scored = [(score["benchmark"], score["prompting"]) for score in results["scores"]]
    samples = [
        line for line in graded_samples(folder) if (line.benchmark, line.prompting) in scored
    ]
    for sample in samples:
        if (sample.benchmark, sample.id) not in order:
            raise ValueError(
                f"{folder}: sample of problem {sample.id!r} of {sample.benchmark}, which "
                "problems.jsonl does not have; evaluate into a new folder"
            )
    samples.sort(
        key=lambda line: (
            scored.index((line.benchmark, line.prompting)),
            order[line.benchmark, line.id],
            line.index,
        )
    )
    name = folder.resolve().name
    return Run(name=name, folder=folder, results=results, problems=problems, samples=samples)


def write_report(run_dir: Path) -> Path:
    """Write report.html from the run folder's other files; its path."""
    run = read_run(run_dir)
    path = run.folder / NAME
    text = render(f"{run.results['model']}: evaluation", page_data([run]))
    path.write_text(text, encoding="utf-8", errors="backslashreplace")  # half a surrogate pair
    return path


def page_data(runs: Sequence[Run], comparison: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the page shows: the runs, each problem, picture and formula once, and all samples.

    Formulas of problems and answers come before those of responses, of which a very large run
    shows the last ones as source.
    """
    names = {name for run in runs for row in run.problems for name in row["images"]}
    book, pictures = FormulaBook(), PictureBook(side(len(names)))
    numbers: dict[tuple[str, str], int] = {}
    problems: list[dict[str, Any]] = []
    for run in runs:
        for row in run.problems:
            if (row["benchmark"], row["id"]) not in numbers:
                numbers[row["benchmark"], row["id"]] = len(problems)
                problems.append(problem_entry(row, run.folder, book, pictures))
    samples = [
        sample_entry(sample, number, numbers[sample.benchmark, sample.id], book)
        for number, run in enumerate(runs)
        for sample in run.samples
    ]
    for entry, text in zip(samples, responses(runs), strict=True):
        entry["response"] = book.parts(text)
    return {
        "runs": [{"name": run.name, **run.results} for run in runs],
        "problems": problems,
        "samples": samples,
        "formulas": book.entries,
        "images": pictures.entries,
        "comparison": comparison,
    }


def responses(runs: Sequence[Run]) -> list[str]:
    """The text of all samples in the order of the page."""
    return [sample.response for run in runs for sample in run.samples]


def problem_entry(
    row: Row, folder: Path, book: FormulaBook, pictures: PictureBook
) -> dict[str, Any]:
    """A problem as the page shows it; a programming problem's text is code."""
    question = row["question"]
    return {
        "benchmark": row["benchmark"],
        "id": row["id"],
        "question": [["block", question]] if row.get("language") else book.parts(question),
        "answer": None if row["answer"] is None else book.answer(str(row["answer"])),
        "images": [pictures.number(folder / name) for name in row["images"]],
        "groups": row["groups"],
        "limit": row["max_response_tokens"],
    }


def sample_entry(sample: Sample, run: int, problem: int, book: FormulaBook) -> dict[str, Any]:
    """A sample as the page shows it, but for its response."""
    return {
        "run": run,
        "problem": problem,
        "prompting": sample.prompting,
        "index": sample.index,
        "correct": sample.correct,
        "tokens": sample.tokens,
        "finish": sample.finish,
        "extracted": None if sample.extracted is None else book.answer(sample.extracted),
        "how": "; ".join(filter(None, (sample.found, sample.how))),
    }


class PictureBook:
    """Pictures by number, each once, as data URIs of at most `side` pixels."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.entries: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, path: Path) -> int:
        """The number of a picture; its file is named by its content."""
        if path.name not in self._numbers:
            self._numbers[path.name] = len(self.entries)
            self.entries.append(data_uri(path, self.side))
        return self._numbers[path.name]


def side(pictures: int) -> int:
    """Pixels of the longer side of each of so many pictures.

    Example: `side(1000) == 800`, `side(4000) == 400`
    """
    return int(LARGEST * min(1.0, (MANY / max(pictures, 1)) ** 0.5))


def data_uri(path: Path, side: int) -> str:
    """A picture at page size, as WebP where that is smaller than the PNG."""
    from PIL import Image

    kind, content = "png", path.read_bytes()
    with Image.open(path) as image:
        image.thumbnail((side, side))
        webp = io.BytesIO()
        image.save(webp, format="WEBP", quality=80)
    if len(webp.getvalue()) < len(content):
        kind, content = "webp", webp.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
