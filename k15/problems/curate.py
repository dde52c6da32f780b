"""Curate a prompt set: python -m k15.problems.curate data.path=FILE [group=choice ...] [key=value].

A program of its own, and no stage of train.py: nothing is fitted, there is no module and no
Trainer. --help lists the groups and choices, --cfg prints the composed configuration.

    <run_dir>/measured.jsonl    what was measured of each problem; another run goes on from it
    <run_dir>/curated.jsonl     the problems that stay, with pass rate and tags
    <run_dir>/report.json       why each of the others had to go
    <run_dir>/difficulty.png    pass rates before and after
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from k15.config import ConfigError, Parts, load, public, shown
from k15.exits import exit_on_error
from k15.folders import locked, unused_folder, write_text

CURATED, MEASURED, REPORT = "curated.jsonl", "measured.jsonl", "report.json"
OF_NO_EFFECT = ("outputs", "run_dir", "threads", "batch", "parts", "choices")
"""Settings that change nothing of the result."""
WEIGHTS = ("*.safetensors", "*.bin", "config.json")
ENDS = 2**16  # bytes at both ends of a file that are read to tell it from others


@exit_on_error()
def main(argv: Sequence[str]) -> None:
    """Curate, or say that it is done; print the table."""
    print(curate(load("curate", argv)))


def curate(config: DictConfig) -> str:
    """Write the curated problems and the report into the run's folder; returns the table.

    Nothing is done where the folder holds the result of the same problems and settings.
    """
    from k15.problems.curation.report import table

    if config.run_dir is None:
        config.run_dir = str(unused_folder(Path(config.outputs, "curate")))
    folder = Path(config.run_dir)
    take_instruction(config)
    parts = Parts(config)
    parts["words"] = parts["source"].words
    problems = asked(parts["source"], held_out=config.held_out)
    made_of = digest(config, problems)
    with locked(folder):
        if (done := finished(folder, made_of)) is not None:
            return f"{table(done)}\n{folder}: nothing to do, it was curated before"
        write_text(folder / "config.yaml", shown(config))
        print(f"run_dir: {folder}", flush=True)
        found = run(config, parts, problems)
        write_text(folder / REPORT, json.dumps({"made_of": made_of, **found}, indent=1))
    return f"{table(found)}\nin {folder}: {CURATED}, {REPORT}, difficulty.png"


def take_instruction(config: DictConfig) -> None:
    """What the data writes behind its questions is asked of answers; it is no part of a question,
    and no guess is told to reason.
    """
    if said := config.data.get("instruction"):
        config.data.instruction = ""
        config.answers.instruction = config.answers.instruction or said


def asked(source: Any, *, held_out: bool) -> list[Any]:
    """The problems of a source, in the order of its records: the first of two stays."""
    problems = [*source.train, *(source.held_out if held_out else ())]
    places = {problem.id: str(problem.meta.get("place", "")) for problem in problems}
    return sorted(problems, key=lambda one: (len(places[one.id]), places[one.id]))


def run(config: DictConfig, parts: Parts, problems: Sequence[Any]) -> dict[str, Any]:
    """All steps, then the files; the report."""
    from k15.engines.on_demand import OnDemandEngine
    from k15.problems.curation import report, writing
    from k15.problems.curation.rules import through
    from k15.problems.curation.tags import tagged

    folder = Path(config.run_dir)
    parts["engine"] = engine = OnDemandEngine(lambda: parts.build(config.engine))
    try:
        with closing(engine):
            measuring = measuring_of(config, parts) if config.measure else None
            kept, removals = through(problems, steps(config, parts, measuring))
    finally:
        for reward in parts["rewards"].values():
            reward.teardown(None, None, "curate")
    lines = measuring.known(problems) if measuring else {}
    records = (writing.record(folder, one, tagged(one), lines.get(one.id)) for one in kept)
    writing.write(folder / CURATED, records)
    found = report.report(problems, kept, removals, lines, tagged)
    report.draw_difficulty(found["pass_rates"], folder / "difficulty.png")
    return found


def steps(config: DictConfig, parts: Parts, measuring: Any) -> Iterator[Any]:
    """The steps that the configuration asks for, in their order; cheap ones first."""
    from k15.problems.curation import balance, contamination, duplicates, forms
    from k15.problems.curation.measuring import difficult
    from k15.problems.curation.rules import each
    from k15.problems.curation.verifiable import verifiable

    if unknown := set(config.forms) - forms.FORMS.keys():
        raise ConfigError(f"forms: {', '.join(unknown)}: choose of {', '.join(forms.FORMS)}")
    yield each(*(forms.FORMS[name] for name in config.forms))
    yield duplicates.exact_duplicates
    if config.near_duplicates is not None:
        yield lambda some: duplicates.near_duplicates(some, threshold=config.near_duplicates)
    benchmarks = parts.build(config.benchmark) or {}
    asked = {name: benchmark.problems() for name, benchmark in benchmarks.items()}
    yield each(contamination.Contamination(asked, threshold=config.contamination))
    if config.verify:
        yield verifiable(parts.build(config.scorer))
    if measuring is not None:
        yield difficult(measuring.measured, easiest=config.easiest, hardest=config.hardest)
    if config.shares is not None:
        yield balance.balanced(config.shares, config.shares_by)


def measuring_of(config: DictConfig, parts: Parts) -> Any:
    """What asks the model; neither it nor the engine is made before something is measured."""
    from k15.problems.curation.measuring import Measuring

    return Measuring(
        Path(config.run_dir, MEASURED),
        engine=parts["engine"],
        make_codec=lambda: parts["policy"],
        verifiers=parts.build(config.scorer),
        answers=parts.build(config.answers),
        guesses=parts.build(config.guesses),
        model=weights_mark(config.model),
        batch=config.batch,
        seed=config.sampling_seed,
    )


def digest(config: DictConfig, problems: Sequence[Any]) -> str:
    """Of all that the result depends on: settings, weights, and what the problems are."""
    from k15.questions import fingerprint_of

    settings = {k: v for k, v in public(config, resolve=True).items() if k not in OF_NO_EFFECT}
    asked = [(one.id, fingerprint_of(one), one.answer, one.tests) for one in problems]
    what = ascii((settings, weights_mark(config.model), asked))
    return hashlib.sha256(what.encode()).hexdigest()


def weights_mark(model: DictConfig) -> str:
    """What tells a model from others: its settings, and of a folder the ends of its files."""
    found = hashlib.sha256(ascii(public(model, resolve=True)).encode())
    folder = Path(str(model.get("path")))
    for file in sorted(file for pattern in WEIGHTS for file in folder.glob(pattern)):
        with file.open("rb") as opened:
            size = file.stat().st_size
            found.update(ascii((file.name, size)).encode() + opened.read(ENDS))
            opened.seek(max(0, size - ENDS))
            found.update(opened.read())
    return found.hexdigest()[:16]


def finished(folder: Path, made_of: str) -> Mapping[str, Any] | None:
    """The report that is there, if it is of the same problems and settings."""
    file = folder / REPORT
    if not (file.is_file() and (folder / CURATED).is_file()):
        return None
    found = json.loads(file.read_text())
    return found if found.get("made_of") == made_of else None


if __name__ == "__main__":
    main(sys.argv[1:])
