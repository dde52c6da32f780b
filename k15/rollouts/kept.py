"""Which traces a long-CoT warm-up set keeps, and the file of them, which a person can read.

    long_cot.jsonl   {"id", "problem", "form", "messages": [...], "images": [...], "answer",
                      "tokens"}

The messages are those that a student learns: the bare question, and the trace. The file is one of
conversations: `data=chat data.path=<run_dir>/long_cot.jsonl` trains on it, too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from k15.folders import write_text
from k15.journal import read
from k15.questions import parts_of, pixels_digest
from k15.rollouts.samples import Sample
from k15.types import Problem

KEPT, PICTURES = "long_cot.jsonl", "long_cot_pictures"
PLACE = "<image>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One trace with its question."""

    id: str
    problem: str
    """Its id."""
    form: str
    """In which the question was asked: the name of a template."""
    messages: Sequence[Mapping[str, str]]
    images: Sequence[str]
    """File names, from the folder of this file."""
    answer: str | None
    tokens: int
    """Of the trace, by its writer's tokenizer."""

    @property
    def trace(self) -> str:
        """What is learned."""
        return self.messages[-1]["content"]


def best(samples: Mapping[str, Sequence[Sample]], most: int) -> list[tuple[str, Sample]]:
    """Of each form the longest right answer that ended by itself, `most` of them: the longest.

    No text twice: of equal ones the first form's.
    """
    found: dict[str, tuple[str, Sample]] = {}
    for form, answers in samples.items():
        right = [one for one in answers if one.right and one.finish == "stop" and one.text.strip()]
        if right:
            longest = max(right, key=lambda one: one.length)
            found.setdefault(longest.text, (form, longest))
    return sorted(found.values(), key=lambda pair: -pair[1].length)[:most]


def rows_of(problem: Problem, chosen: Iterable[tuple[str, Sample]], folder: Path) -> list[Kept]:
    """The chosen traces of a problem; its pictures are put into the folder."""
    images = pictures_of(problem, folder)
    prompt = [{"role": turn["role"], "content": flat(turn["content"])} for turn in problem.prompt]
    return [
        Kept(
            id=f"{problem.id} ({form})",
            problem=problem.id,
            form=form,
            messages=[*prompt, {"role": "assistant", "content": sample.text}],
            images=images,
            answer=problem.answer,
            tokens=sample.length,
        )
        for form, sample in chosen
    ]


def flat(content: str | Sequence[Mapping[str, str]]) -> str:
    """A message's content as one text, with a mark where a picture stands."""
    parts = parts_of({"role": "user", "content": content})
    return "".join(PLACE if part["type"] == "image" else part["text"] for part in parts)


def pictures_of(problem: Problem, folder: Path) -> list[str]:
    """Names of the problem's pictures, which are written once."""
    names = []
    for image in problem.images:
        name = f"{PICTURES}/{pixels_digest(image).hex()[:16]}.png"
        (folder / PICTURES).mkdir(parents=True, exist_ok=True)
        if not (folder / name).is_file():
            image.save(folder / name)
        names.append(name)
    return names


def write_kept(folder: Path, rows: Iterable[Kept]) -> None:
    """The whole file at once."""
    lines = (json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    write_text(folder / KEPT, "".join(lines).encode(errors="backslashreplace").decode())


def read_kept(folder: Path) -> list[Kept]:
    """Raises ValueError with the line that lacks a field."""
    return list(read(folder / KEPT, Kept))
