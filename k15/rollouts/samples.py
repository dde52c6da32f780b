"""Graded samples on the disk: a row per problem, for a person to read and for stages to learn from.

    <folder>/settings.json   what made them: weights, how they were drawn, graders
    <folder>/samples.jsonl   {"id", "question", "answer", "right": 3, "samples": [{"right": true,
                              "length": 31, "finish": "stop", "text", "tokens"}, ...], "mark"}

A row is written when its problem's answers have been graded, so a run that is killed loses the rows
under way and no others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k15.config.errors import ConfigError
from k15.folders import write_text
from k15.journal import Journal, read
from k15.questions import fingerprint_of, text_of
from k15.types import Problem, RolloutGroup

SAMPLES, SETTINGS = "samples.jsonl", "settings.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One graded answer."""

    right: bool
    """Every verifier says so."""
    length: int
    """In tokens, the end of the turn included."""
    finish: str
    """stop, or why it was cut: length, repetition."""
    text: str
    tokens: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A problem's samples."""

    id: str
    question: str
    answer: str | None
    right: int
    """How many of the samples are."""
    samples: Sequence[Sample]
    mark: str
    """Of how it was asked and graded."""


class SampleFile:
    """The samples in a folder, which belong to one model and one way of drawing and grading.

    Raises ConfigError if those in the folder were made by something else than `settings`, naming
    the first difference.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder, self.file = folder, folder / SAMPLES
        self.settings: dict[str, Any] = json.loads(json.dumps(settings))
        there = folder / SETTINGS
        if there.is_file():
            self._check(json.loads(there.read_text(encoding="utf-8")))

    def read(self) -> dict[str, list[Sample]]:
        """The samples of each problem, by its `mark_of`.

        Raises ValueError with the line of a row that cannot be read; a torn last one is none.
        """
        return {
            row.mark: [Sample(**sample) for sample in row.samples]  # type: ignore[arg-type]
            for row in read(self.file, Row)
        }

    def write(self, groups: Iterable[RolloutGroup]) -> Iterator[RolloutGroup]:
        """Append scored groups, each when it comes."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_text(self.folder / SETTINGS, json.dumps(self.settings, indent=1) + "\n")
        with closing(Journal(self.file)) as journal:
            for group in groups:
                journal.append(row_of(group))
                yield group

    def _check(self, there: Mapping[str, Any]) -> None:
        for name in sorted({*self.settings, *there}):
            found, wanted = there.get(name, "absent"), self.settings.get(name, "absent")
            if found != wanted:
                raise ConfigError(
                    f"{self.folder}: its samples were made otherwise: {name} is {found} there and "
                    f"{wanted} here; give another folder, or datamodule.samples_from=null to draw "
                    "new ones"
                )


def named_by(settings: Mapping[str, Any]) -> str:
    """The name of a folder for what these settings make."""
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def row_of(group: RolloutGroup) -> Row:
    """A scored group as it is written."""
    problem = group.problem
    samples = [
        Sample(
            right=outcome >= 1,
            length=rollout.length,
            finish=rollout.finish or "",
            text=rollout.text,
            tokens=rollout.tokens,
        )
        for rollout, outcome in zip(group.rollouts, group.outcome, strict=True)
    ]
    return Row(
        id=problem.id,
        question=text_of(problem.prompt),
        answer=problem.answer,
        right=sum(sample.right for sample in samples),
        samples=samples,
        mark=mark_of(problem, group.prompt_tokens),
    )


def mark_of(problem: Problem, prompt_tokens: Sequence[int]) -> str:
    """The same for a problem that is asked and graded in the same way."""
    asked = (problem.id, fingerprint_of(problem), tuple(prompt_tokens))
    return hashlib.sha256(ascii((asked, problem.answer, problem.tests)).encode()).hexdigest()[:16]
