"""Curated problems as records that `k15.problems.record_source.RecordSource` reads."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from k15.folders import whole
from k15.problems.conversations import PICTURE
from k15.problems.curation.measuring import Measured
from k15.problems.curation.tags import Tags
from k15.questions import parts_of, pixels_digest
from k15.types import Message, Problem

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURES = "images"


def record(folder: Path, problem: Problem, tags: Tags, line: Measured | None) -> dict[str, Any]:
    """One line of the file; the problem's pictures are saved beside it."""
    system = [turn for turn in problem.prompt if turn["role"] == "system"]
    asked = [turn for turn in problem.prompt if turn["role"] != "system"]
    found: dict[str, Any] = {
        "id": problem.id,
        "problem": "\n\n".join(map(shown, asked)),
        "answer": problem.answer,
        "level": problem.difficulty,
        **asdict(tags),
        "pass_rate": None if line is None else round(line.pass_rate, 4),
        "tokens": None if line is None else round(line.tokens, 1),
        "solution": problem.meta.get("solution"),
        "place": problem.meta.get("place"),
        "tests": [dict(test) for test in problem.tests],
        "images": [saved(folder, image) for image in problem.images],
        "system": "\n".join(map(shown, system)),
    }
    return {name: value for name, value in found.items() if value not in (None, [], "")}


def write(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """All lines, or none."""
    with whole(path) as file:
        for one in records:
            file.write(json.dumps(one, ensure_ascii=False).encode() + b"\n")


def shown(message: Message) -> str:
    """The text of a message, with a tag in the place of each picture."""
    parts = parts_of(message)
    return "".join(PICTURE if part["type"] == "image" else part.get("text", "") for part in parts)


def saved(folder: Path, image: Image) -> str:
    """The picture's file, as seen from the folder; named by its pixels, so that it is one."""
    file = folder / PICTURES / f"{pixels_digest(image).hex()[:16]}.png"
    file.parent.mkdir(exist_ok=True)
    if not file.exists():
        with whole(file) as open_file:
            image.save(open_file, format="PNG")
    return f"{PICTURES}/{file.name}"
