"""Write tests: python -m k15.problems.generate_tests path=FILE [group=choice ...] [key=value ...].

--help lists the groups and choices, --cfg prints the composed configuration.

    <run_dir>/generated.jsonl   what became of each problem; another run goes on from it
    <run_dir>/problems.jsonl    the kept problems with their tests
    <run_dir>/report.json       the funnel, and why each of the others was left out
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from k15.config import Parts, load, public, shown
from k15.exits import exit_on_error
from k15.folders import locked, unused_folder, whole, write_text
from k15.journal import Journal, read
from k15.problems.curation.forms import asked
from k15.problems.test_generation.generation import (
    Generated,
    Thresholds,
    WriteGenerator,
    funnel,
    generate,
)
from k15.problems.test_generation.tasks import Task, read_tasks
from k15.progress import phase
from k15.sandbox.protocol import Sandbox

GENERATED, PROBLEMS, REPORT = "generated.jsonl", "problems.jsonl", "report.json"
MADE_WITH = ("generator", "thresholds", "model", "seed")
"""Settings that a problem's tests depend on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line(Generated):
    """A line of `generated.jsonl`."""

    mark: str = ""
    """Of the problem and the settings: a line with another mark is made again."""


@exit_on_error()
def main(argv: Sequence[str]) -> None:
    """Generate what is missing; print the funnel."""
    print(run(load("generate_tests", argv)))


def run(config: DictConfig) -> str:
    """Write the tests and the report into the run's folder; returns the funnel as a table.

    Raises GraderFailure if the sandbox broke; another run goes on.
    """
    if config.run_dir is None:
        config.run_dir = str(unused_folder(Path(config.outputs, "tests")))
    folder, parts = Path(config.run_dir), Parts(config)
    tasks = read_tasks(config.path, config.fields)
    with locked(folder):
        write_text(folder / "config.yaml", shown(config))
        found = all_of(config, parts, tasks)
        write_problems(folder / PROBLEMS, tasks, found)
        counts = funnel(found)
        reasons = [
            {"id": one.id, "stage": one.stage, "detail": one.detail, "valid": one.valid}
            for one in found
        ]
        report = json.dumps({"funnel": counts, "problems": reasons}, indent=1, ensure_ascii=False)
        write_text(folder / REPORT, report + "\n")
    table = "\n".join(f"{name:<28}{count:>10,}" for name, count in counts.items())
    return f"{table}\nin {folder}: {PROBLEMS}, {REPORT}"


def all_of(config: DictConfig, parts: Parts, tasks: Sequence[Task]) -> list[Line]:
    """A line of each task, in their order; those that the file has are not made again."""
    path = Path(config.run_dir, GENERATED)
    settings = public(config, resolve=True)
    made_with = {name: settings[name] for name in MADE_WITH}
    marks = {task.problem.id: mark(task, made_with) for task in tasks}
    known = {line.id: line for line in read(path, Line) if marks.get(line.id) == line.mark}
    todo = [task for task in tasks if task.problem.id not in known]
    if todo:
        for line in lines(path, parts, todo, marks):
            known[line.id] = line
    return [known[task.problem.id] for task in tasks]


def lines(path: Path, parts: Parts, tasks: Sequence[Task], marks: dict[str, str]) -> Iterator[Line]:
    """Make the lines of the tasks, and write each as it is made."""
    write: WriteGenerator = parts.build(parts.config.generator)
    thresholds: Thresholds = parts.build(parts.config.thresholds)
    sandbox: Sandbox = parts["sandbox"]
    progress = phase("generate tests", len(tasks), " problems")
    with closing(Journal(path)) as journal, closing(sandbox), progress:
        try:
            for task in tasks:
                found = generate(task, write, sandbox, thresholds=thresholds)
                line = Line(**{name: getattr(found, name) for name in FIELDS}, mark=marks[found.id])
                journal.append(line)
                progress.update()
                yield line
        finally:
            if (engine := parts.get("engine")) is not None:
                engine.close()


FIELDS = tuple(Generated.__dataclass_fields__)


def mark(task: Task, made_with: Any) -> str:
    """16 hex digits of all that a problem's tests depend on."""
    what = (task.problem.prompt, task.interface, task.programs, task.examples, made_with)
    return hashlib.sha256(ascii(what).encode()).hexdigest()[:16]


def write_problems(path: Path, tasks: Sequence[Task], found: Sequence[Line]) -> None:
    """The kept problems: statement and tests."""
    with whole(path) as file:
        for task, one in zip(tasks, found, strict=True):
            if one.stage == "kept":
                row = {
                    "id": one.id,
                    "problem": asked(task.problem),
                    "language": "python",
                    "tests": one.tests,
                }
                file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


if __name__ == "__main__":
    main(sys.argv[1:])
