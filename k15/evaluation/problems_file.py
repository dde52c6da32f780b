"""problems.jsonl of a run: what was asked, as a page shows it, pictures beside it as PNG files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k15.config.errors import ConfigError
from k15.evaluation.benchmark import Benchmark
from k15.journal import open_at_last_whole_line
from k15.models.pictures import as_seen
from k15.problems.records import read_records
from k15.types import Message, Problem

if TYPE_CHECKING:
    from PIL.Image import Image

NAME = "problems.jsonl"
LARGEST = 1000
"""Pixels of a picture's longer side."""
FIELDS = ("benchmark", "id", "question", "answer", "images", "groups", "max_response_tokens")

Row = dict[str, Any]
"""One line: `FIELDS`, and "language" where the problem asks for a program.

question and answer are plain text with $formulas$; groups maps a key of `Benchmark.groups` to a
value or a list of values.
"""


def write_problems(
    run_dir: Path, benchmark_name: str, benchmark: Benchmark, problems: Iterable[Problem]
) -> None:
    """Add the problems that the file does not have yet."""
    run_dir.mkdir(parents=True, exist_ok=True)
    file = open_at_last_whole_line(run_dir / NAME)
    known = {(row["benchmark"], row["id"]) for row in read_problems(run_dir)}
    with file:
        for problem in problems:
            if (benchmark_name, problem.id) not in known:
                row = problem_row(run_dir, benchmark_name, benchmark, problem)
                text = json.dumps(row, ensure_ascii=False)
                file.write(text.encode(errors="backslashreplace") + b"\n")  # half a surrogate


def read_problems(run_dir: Path) -> list[Row]:
    """The lines of problems.jsonl; none if it is not there.

    Raises ValueError naming the line and the field that is missing or cannot be used.
    """
    path = run_dir / NAME
    if not path.exists() or not path.stat().st_size:
        return []
    rows = read_records(str(path), "", setting="run_dir")
    for row in rows:
        if missing := [name for name in FIELDS if name not in row.record]:
            raise ConfigError(f"{row.place}: no field {', '.join(missing)}")
        if row.get("answer") is not None:
            row.answer()
    return [dict(row.record) for row in rows]


def problem_row(run_dir: Path, name: str, benchmark: Benchmark, problem: Problem) -> Row:
    """One line of the file; its pictures are saved."""
    row: Row = {
        "benchmark": name,
        "id": problem.id,
        "question": question(problem.prompt),
        "answer": problem.answer,
        "images": [save(run_dir, image) for image in problem.images],
        "groups": groups(benchmark.groups, problem),
        "max_response_tokens": benchmark.max_response_tokens,
    }
    if problem.domain == "code":
        row["language"] = str(problem.meta.get("language", "code"))
    return row


def question(prompt: Sequence[Message]) -> str:
    """The text of all messages; pictures are shown apart."""
    return "\n\n".join(text for message in prompt if (text := message_text(message["content"])))


def message_text(content: str | Sequence[Message]) -> str:
    """The text of one message, whose content is a string or a list of items."""
    if isinstance(content, str):
        return content.strip()
    return "\n".join(item["text"] for item in content if item["type"] == "text").strip()


def groups(keys: Sequence[str], problem: Problem) -> dict[str, str | list[str]]:
    """The problem's values of the benchmark's keys; a list is several values."""
    found: dict[str, str | list[str]] = {}
    for key in keys:
        value = problem.meta.get(key)
        if value is not None:
            many = isinstance(value, (list, tuple))
            found[key] = [str(item) for item in value] if many else str(value)
    return found


def save(run_dir: Path, image: Image) -> str:
    """Save a picture as a model sees it, once, under the hash of its pixels; its path from here."""
    small = as_seen(image).copy()
    small.thumbnail((LARGEST, LARGEST))
    digest = hashlib.sha256(repr((small.mode, small.size)).encode() + small.tobytes()).hexdigest()
    path = run_dir / "images" / f"{digest[:16]}.png"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_suffix(".part")
        small.save(unfinished, format="PNG", optimize=True)
        unfinished.replace(path)
    return f"images/{path.name}"
